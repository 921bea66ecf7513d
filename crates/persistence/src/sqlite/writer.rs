//! The one thread that writes. It takes what is queued, runs all of it in one transaction, commits once, and only then answers: many
//! callers share the cost of making their work durable, and none is hurt by another's failure, for which all are run once more, each
//! in a savepoint. Where the commit fails, nothing of the group has happened, and all are told so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use core_types::deliveries::DeliveryWorker;
use core_types::error::{Source, chain};
use core_types::{StoreError, StoreResult};
use diesel::Connection;
use diesel::connection::{SimpleConnection, TransactionManager as _};
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use metrics::{Gauge, Histogram, gauge, histogram};
use tokio::sync::mpsc::{self, error::SendTimeoutError};
use tokio::sync::oneshot;

use super::along::{self, Attendance, Handover};
use super::keeper::{self, Keeper};
use super::wal::{Checkpoint, checkpoint};
use super::{Conn, connect};
use crate::error::{Fault, OpenError};
use crate::options::Options;

/// The most jobs that one commit makes durable: enough to share its cost, few enough to keep the first one's wait short.
const GROUP: usize = 256;

/// How many groups are run with savepoints at once after one in which a job failed, so that failures in a row cost little.
const WARY: u8 = 16;

/// What is said of commits while there is no connection to be trusted. It is one of the texts that say so (`error.rs`).
const NOT_OPEN: &str = "disk I/O error";
/// What is said to whoever comes after the end.
const CLOSED: &str = "the database is closed";

/// The callers' end of the queue.
pub(super) struct Writer {
    queue: mpsc::Sender<Order>,
    patience: Duration,
    /// For whom deliveries are claimed along with what makes them due.
    attendance: Arc<Attendance>,
}

/// The most pages of a write-ahead log that cannot be kept: a gigabyte. Then going on counts for more.
const TOO_MANY: u32 = 262_144;

enum Order {
    Run(Box<dyn Job>, Durability),
    Keep(oneshot::Sender<std::io::Result<()>>),
    Close(oneshot::Sender<()>),
}

/// What a commit promises.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// That a power cut undoes nothing.
    Synced,
    /// That the end of the process undoes nothing. A power cut may, so this is for what is then done again.
    Written,
}

/// A unit of work and whoever waits for it.
trait Job: Send {
    /// Does the work in the transaction that is open. Whether that may be committed.
    fn run(&mut self, conn: &mut Conn, repeats: Repeats) -> bool;
    /// Does the work for the last time, in a savepoint.
    fn run_in_savepoint(&mut self, conn: &mut Conn);
    /// Tells the result, after the commit or its failure.
    fn answer(self: Box<Self>, committed: Result<(), Arc<QueryError>>);
}

/// Whether a job may be run once more, and so keeps what it needs for that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeats {
    Perhaps,
    Never,
}

struct Waiting<F, T, E> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    caller: oneshot::Sender<StoreResult<Result<T, E>>>,
}

impl<F, T, E> Job for Waiting<F, T, E>
where
    F: FnOnce(&mut Conn) -> Result<T, E> + Clone + Send,
    T: Send,
    E: From<QueryError> + Send,
{
    fn run(&mut self, conn: &mut Conn, repeats: Repeats) -> bool {
        let work = if repeats == Repeats::Never { self.work.take() } else { self.work.clone() };
        self.result = work.map(|work| work(conn));
        matches!(self.result, Some(Ok(_)))
    }

    fn run_in_savepoint(&mut self, conn: &mut Conn) {
        self.result = self.work.take().map(|work| conn.transaction(work));
    }

    fn answer(self: Box<Self>, committed: Result<(), Arc<QueryError>>) {
        let answer = match (self.result, committed) {
            // Also for what was rolled back: its answer may rest on what a job before it wrote, and that is lost.
            (_, Err(error)) => Err(Fault::Commit(error).into()),
            (Some(result), Ok(())) => Ok(result),
            (None, Ok(())) => Err(StoreError::Defect("a job was not run".into())),
        };
        // A caller that went away may find its work committed; that is why callers choose ids.
        let _ = self.caller.send(answer);
    }
}

impl Writer {
    /// Starts the thread. What was committed before, by migrations, is a part of the log that is kept from now on.
    pub(super) fn start(mut conn: Conn, path: PathBuf, options: Options, mut keeper: Option<Keeper>) -> Result<Self, OpenError> {
        if let Err(source) = keeper.as_mut().map_or(Ok(()), |keeper| keep_first(&mut conn, keeper)) {
            // Before what holds the write-ahead log, which has what is not kept.
            drop(conn);
            return Err(OpenError::Log { source });
        }
        let (queue, orders) = mpsc::channel(options.write_queue.max(1));
        let patience = options.patience;
        let seconds = histogram!("doolittle_database_seconds", "kind" => "commit");
        let (jobs, waiting) = (histogram!("doolittle_database_commit_jobs"), gauge!("doolittle_database_waiting_jobs"));
        let attendance = Arc::<Attendance>::default();
        let serving = Loop {
            conn,
            attendance: Arc::clone(&attendance),
            orders,
            path,
            options,
            keeper,
            unlogged: Unlogged::default(),
            checkpoint_at: connect::CHECKPOINT,
            synced: true,
            doubtful: false,
            rewritten: false,
            wary: 0,
            seconds,
            jobs,
            waiting,
        };
        thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || serving.serve())
            .map_err(|error| OpenError::Failed { source: Box::new(error) })?;
        Ok(Self { queue, patience, attendance })
    }

    /// For whom deliveries are claimed along from now on.
    pub(super) fn attend(&self, worker: Weak<dyn DeliveryWorker>) {
        self.attendance.give(worker);
    }

    /// Has what was committed kept in the log, where one is kept.
    pub(super) async fn keep(&self) -> StoreResult<()> {
        let (done, kept) = oneshot::channel();
        let closed = || StoreError::Unavailable(CLOSED.into());
        self.queue.send(Order::Keep(done)).await.map_err(|_| closed())?;
        kept.await.map_err(|_| closed())?.map_err(|error| StoreError::Defect(Box::new(error)))
    }

    /// Queues a unit of work and waits for the commit. While the queue is full this waits, within bounds. The work may be run twice,
    /// when all that it did at first was undone.
    pub(super) async fn run<T, E, F>(&self, durability: Durability, work: F) -> StoreResult<Result<T, E>>
    where
        F: FnOnce(&mut Conn) -> Result<T, E> + Clone + Send + 'static,
        T: Send + 'static,
        E: From<QueryError> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Waiting { work: Some(work), result: None, caller });
        self.queue.send_timeout(Order::Run(job, durability), self.patience).await.map_err(|error| {
            StoreError::Unavailable(match error {
                SendTimeoutError::Timeout(_) => "the write queue is full".into(),
                SendTimeoutError::Closed(_) => CLOSED.into(),
            })
        })?;
        answer.await.map_err(|error| StoreError::Unavailable(Box::new(error)))?
    }

    /// Lets the thread finish what is queued and end.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Order::Close(done)).await.is_ok() {
            // An error means that the thread has ended, which is what is asked for.
            let _ = closed.await;
        }
    }
}

/// Has what was committed before be a part of the log. What made a new database is in it before anything else, which so is known not to
/// have ended.
fn keep_first(conn: &mut Conn, keeper: &mut Keeper) -> Result<(), Source> {
    let moment = keeper.moment();
    keeper.committed(moment, checkpoint(conn, Checkpoint::Noop)?)?;
    keeper.sync()?;
    Ok(keeper.keep_or_hold()?)
}

/// What is known of a log that is not kept.
#[derive(Default)]
struct Unlogged {
    /// Why it is not kept any more, where it was.
    why: Option<String>,
    /// Whether the database has been told, so that the log does not go on later without what is written meanwhile.
    is_over: bool,
}

struct Loop {
    conn: Conn,
    attendance: Arc<Attendance>,
    orders: mpsc::Receiver<Order>,
    path: PathBuf,
    options: Options,
    /// Keeps the log, where one is kept. It is dropped after the connection.
    keeper: Option<Keeper>,
    /// Where none is kept.
    unlogged: Unlogged,
    /// At how many pages of the write-ahead log it is moved into the file, where a log is kept.
    checkpoint_at: u32,
    /// Whether commits are synced at present.
    synced: bool,
    /// Whether a commit has failed since the connection was opened, so that neither it nor the log can be trusted.
    doubtful: bool,
    /// Whether the log was written again since the last commit, so that all of it is on the disk.
    rewritten: bool,
    /// How many groups are still run with savepoints at once, because a job failed a short while ago.
    wary: u8,
    /// How long commits take with their work, how much work one is for, and how much waits behind it.
    seconds: Histogram,
    jobs: Histogram,
    waiting: Gauge,
}

impl Loop {
    fn serve(mut self) {
        let (mut closing, mut keeping) = (Vec::new(), Vec::new());
        let mut group: Vec<Box<dyn Job>> = Vec::new();
        while let Some(first) = self.orders.blocking_recv() {
            let mut next = Some(first);
            let mut synced = false;
            while let Some(order) = next {
                match order {
                    Order::Run(job, durability) => {
                        synced |= durability == Durability::Synced;
                        group.push(job);
                    }
                    Order::Keep(done) => keeping.push(done),
                    Order::Close(done) => {
                        // Nothing more is taken; what is queued already is still received.
                        self.orders.close();
                        closing.push(done);
                    }
                }
                next = if group.len() < GROUP { self.orders.try_recv().ok() } else { None };
            }
            if !group.is_empty() {
                self.commit(&mut group, synced);
            }
            for done in keeping.drain(..) {
                let _ = done.send(self.keep());
            }
        }
        let kept = self.keep();
        if let Err(error) = &kept {
            log::error!("the last of the log could not be kept: {error}");
        }
        // What is not kept stays where the next start finds it.
        if self.keeper.is_none() || kept.is_ok() {
            self.end_log();
        }
        let Self { conn, keeper, .. } = self;
        drop(conn);
        drop(keeper);
        for done in closing {
            let _ = done.send(());
        }
    }

    /// Moves the write-ahead log into the file, all of which is kept.
    fn end_log(&mut self) {
        if let Err(error) = self.move_all() {
            log::warn!("the write-ahead log stays beside the database file: {error}");
        }
    }

    fn move_all(&mut self) -> Result<(), Source> {
        if checkpoint(&mut self.conn, Checkpoint::Noop)?.frames > 0 {
            // Somebody before may have committed what is in no log.
            self.part_from_log()?;
        }
        let mut is_moved = checkpoint(&mut self.conn, Checkpoint::Full)?.is_moved();
        if is_moved {
            // Before it is emptied: who finds none, and no word of its end, takes it for lost.
            if let Some(keeper) = &mut self.keeper {
                keeper.ended(true)?;
            }
            is_moved = checkpoint(&mut self.conn, Checkpoint::Truncate)?.is_moved();
        }
        match &mut self.keeper {
            Some(keeper) if is_moved => keeper.release(),
            Some(keeper) => keeper.ended(false)?,
            None => {}
        }
        if is_moved { Ok(()) } else { Err("somebody reads what is in it".into()) }
    }

    /// Where no log is kept, one that was kept before is over with the first commit.
    fn part_from_log(&mut self) -> std::io::Result<()> {
        if self.keeper.is_none() && !self.unlogged.is_over {
            keeper::forget(&self.path)?;
            self.unlogged.is_over = true;
        }
        Ok(())
    }

    fn commit(&mut self, group: &mut Vec<Box<dyn Job>>, synced: bool) {
        let parted = self.part_from_log().map_err(|error| OpenError::Log { source: Box::new(error) });
        if let Err(error) = parted.and_then(|()| if self.doubtful { self.reconnect() } else { Ok(()) }) {
            let error = Arc::new(QueryError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(format!("{NOT_OPEN}: {error}"))));
            for job in group.drain(..) {
                job.answer(Err(Arc::clone(&error)));
            }
            return;
        }
        let run = || {
            if self.synced != synced {
                self.conn.batch_execute(&connect::commits(synced, &self.options))?;
                self.synced = synced;
            }
            run_group(&mut self.conn, group, &self.attendance, &mut self.wary)
        };
        let began = Instant::now();
        let moment = self.keeper.as_ref().map(Keeper::moment);
        // A defect in one unit of work costs its group, whose savepoints are in disorder then, but not the writer.
        let committed = catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(QueryError::BrokenTransactionManager));
        // What was claimed is handed over first of all, before anybody who is told of it can look for it.
        let committed = committed.map(|handover| handover.map_or((), Handover::committed)).map_err(Arc::new);
        self.seconds.record(began.elapsed());
        self.jobs.record(u32::try_from(group.len()).unwrap_or(u32::MAX));
        self.waiting.set(u32::try_from(self.orders.len()).unwrap_or(u32::MAX));
        self.rewritten &= committed.is_err();
        if let Err(error) = &committed {
            // Each of those who wait is told, and says so where it matters.
            log::debug!("{} writes could not be committed: {error}", group.len());
        }
        if committed.is_err() || is_broken(&mut self.conn) {
            self.doubtful = true;
            // At once, while what a sync could not write is still in memory.
            if let Err(error) = self.reconnect() {
                log::error!("the writer could not connect again: {}", chain(&error));
            }
        }
        for job in group.drain(..) {
            job.answer(committed.clone());
        }
        if let (Ok(()), Some(moment)) = (committed, moment) {
            self.follow(moment);
        }
    }

    /// Has the log know what was just committed, and moves the write-ahead log into the file where it is long.
    fn follow(&mut self, moment: i64) {
        if self.note(moment).is_err() {
            return;
        }
        let Some(frames) = self.keeper.as_ref().map(Keeper::frames) else { return };
        if frames < connect::CHECKPOINT {
            self.checkpoint_at = connect::CHECKPOINT;
        }
        // By synced commits alone, as where no log is kept.
        if frames < self.checkpoint_at || !self.synced {
            return;
        }
        // Those who read may hold it up; then it is tried again some pages later.
        self.checkpoint_at = frames + connect::CHECKPOINT / 4;
        if let Err(error) = self.make_segment() {
            log::error!("what was committed could not be kept in the log, which is tried again: {error}");
            if frames < TOO_MANY {
                return;
            }
            self.anew();
        }
        match checkpoint(&mut self.conn, Checkpoint::Passive) {
            Ok(extent) => {
                if let Some(keeper) = &mut self.keeper {
                    keeper.moved(extent);
                }
            }
            Err(error) => {
                log::warn!("the write-ahead log could not be moved into the database file: {error}");
                // A sync may have failed in it, and then the log is to be written again before anything more is acknowledged.
                self.doubtful = true;
            }
        }
    }

    /// Has the log know of what was committed since the last time. Where it cannot know all of that, another begins.
    fn note(&mut self, moment: i64) -> std::io::Result<()> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        let extent = checkpoint(&mut self.conn, Checkpoint::Noop).map_err(std::io::Error::other);
        let extent = extent.inspect_err(|error| {
            // What is committed is noted with the next commit.
            log::error!("the write-ahead log cannot be asked about: {error}");
            self.doubtful = true;
        })?;
        keeper.committed(moment, extent).inspect_err(|error| {
            log::error!("the log that is kept has lost the database: {error}");
            self.anew();
        })
    }

    fn make_segment(&mut self) -> std::io::Result<()> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        // Where that fails, what is not on the disk is to be written again before anything more is acknowledged.
        keeper.sync().inspect_err(|_| self.doubtful = true)?;
        keeper.keep().map_err(std::io::Error::from)
    }

    fn keep(&mut self) -> std::io::Result<()> {
        let Some(keeper) = &mut self.keeper else {
            let told = |why| Err(std::io::Error::other(format!("no log is kept until the next start: {why}")));
            return self.unlogged.why.as_ref().map_or(Ok(()), told);
        };
        let moment = keeper.moment();
        if self.doubtful {
            self.reconnect().map_err(std::io::Error::other)?;
        }
        // Also what could not be noted when it was committed.
        self.note(moment)?;
        self.make_segment()
    }

    /// Begins another log, or goes on without one until the next start.
    fn anew(&mut self) {
        let Some(keeper) = &mut self.keeper else { return };
        let extent = checkpoint(&mut self.conn, Checkpoint::Noop).map_err(std::io::Error::other);
        let begun = extent.and_then(|extent| keeper.give_up(extent.frames));
        if let Err(error) = begun {
            log::error!("NO LOG IS KEPT from now on until the next start: {error}");
            (self.keeper, self.options.log, self.unlogged.why) = (None, None, Some(error.to_string()));
            if let Err(error) = self.reconnect() {
                log::error!("the writer could not connect again: {}", chain(&error));
                self.doubtful = true;
            }
        }
    }

    /// A connection whose commit failed may still be inside the transaction. The write-ahead log is written again with it, unless it was
    /// since the last commit.
    fn reconnect(&mut self) -> Result<(), OpenError> {
        let connect = if self.rewritten { connect::again } else { connect::for_writing };
        self.conn = connect(&self.path, &self.options)?;
        (self.synced, self.doubtful, self.rewritten) = (true, false, true);
        if let Some(keeper) = &mut self.keeper {
            keeper.reopen();
        }
        Ok(())
    }
}

/// Runs a group in one transaction, and claims what falls due in it: without savepoints, for each of which SQLite would keep a copy of
/// every page that is changed in it, unless a job fails, or one has a short while ago.
fn run_group(conn: &mut Conn, group: &mut [Box<dyn Job>], attendance: &Attendance, wary: &mut u8) -> Result<Option<Handover>, QueryError> {
    let repeats = if group.len() > 1 { Repeats::Perhaps } else { Repeats::Never };
    if repeats == Repeats::Never || *wary == 0 {
        along::forget();
        let mut has_failed = false;
        let committed = conn.immediate_transaction(|conn| {
            for job in group.iter_mut() {
                has_failed = !job.run(conn, repeats);
                if has_failed {
                    return Err(QueryError::RollbackTransaction);
                }
                still_open(conn)?;
            }
            claim_along(conn, attendance)
        });
        match repeats {
            _ if !has_failed => return committed,
            // It tells itself why nothing of it is there.
            Repeats::Never => return Ok(None),
            Repeats::Perhaps if is_broken(conn) => return Err(QueryError::BrokenTransactionManager),
            Repeats::Perhaps => *wary = WARY,
        }
    }
    *wary = wary.saturating_sub(1);
    along::forget();
    conn.immediate_transaction(|conn| {
        for job in group.iter_mut() {
            job.run_in_savepoint(conn);
            still_open(conn)?;
        }
        claim_along(conn, attendance)
    })
}

fn claim_along(conn: &mut Conn, attendance: &Attendance) -> Result<Option<Handover>, QueryError> {
    still_open(conn)?;
    let handover = attendance.claim(conn);
    still_open(conn)?;
    Ok(handover)
}

/// SQLite ends the transaction itself where a statement failed badly; what was done in it then would be in one of its own.
fn still_open(conn: &mut Conn) -> Result<(), QueryError> {
    let status = <Conn as Connection>::TransactionManager::transaction_manager_status_mut(conn);
    match status.transaction_depth() {
        Ok(Some(_)) => Ok(()),
        _ => Err(QueryError::BrokenTransactionManager),
    }
}

/// Whether a connection cannot say what became of its last transaction: SQLite ends one itself where a statement failed badly.
fn is_broken(conn: &mut Conn) -> bool {
    <Conn as Connection>::TransactionManager::is_broken_transaction_manager(conn)
}

#[cfg(test)]
mod tests;

//! Traffic on every path that writes, a server that ends at any instant, and what it keeps.
//!
//! Every actor keeps a book of what the server has acknowledged. After each restart all books are held against what the API shows:
//! nothing acknowledged is missing, nothing is there twice, and what was under way is there as a whole or not at all. In the end the
//! database is read through the repositories (`compare`).

pub mod actors;
pub mod backups;
pub mod book;
pub mod link;
pub mod log;
pub mod talkers;

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use core_types::ChannelId;
use core_types::ids::string_to_uuid;
use persistence::Target;
use serde_json::json;
use testkit::caller::Caller;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use self::actors::{Editor, Keeper, Maker, Memoir, Turn, Uploader};
use self::book::Book;
use self::link::Link;
use self::log::Log;
use self::talkers::{Talk, Talked};
use crate::dice::Dice;
use crate::disk::{Disk, Keep, control};
use crate::postgres::Database;
use crate::server::{Launch, Server, verb, worked};
use crate::traffic::{Traffic, World};
use crate::{Stretch, compare};

/// How long the server is given to meet its end by itself, where it waits for something that may not come.
const OWN_END: Duration = Duration::from_secs(4);

/// Settings of all servers.
const SETTINGS: [(&str, &str); 3] = [("DEFAULT_AGENT", "false"), ("REFLECT_EVERY", "0"), ("SESSION_DEFAULT_TIMEOUT_MINUTES", "1000")];

/// How long it is waited until the log is moved into the database, which is when so much was written, or at the end.
const MOVE: Duration = Duration::from_mins(2);

/// When the server ends.
#[derive(Debug, Clone, Copy)]
enum Instant {
    /// So many milliseconds after it was ready.
    Ready(u64),
    /// So many microseconds after a message was acknowledged.
    Ack(u64),
    /// Before the so-manieth call that writes to such files, or syncs or renames one.
    Call(u64, u32),
    /// So many milliseconds after a fault of the disk began, which is over by then; with so much room where it is full.
    Fault(u32, u64, u64),
    /// Before the so-manieth call that writes the database file or syncs it while it moves the log there, having been asked to stop.
    Close(u64),
    /// So many milliseconds after all connections to PostgreSQL were cut, which lets in none until then; with 0, PostgreSQL itself ends,
    /// or the connections that there are (`Database::end_within`).
    Outage(u64),
}

/// How it ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The process alone.
    Kill,
    /// With the power.
    Cut(Keep),
    /// Not at all.
    Stay,
}

/// What is to be done, and in which house.
pub struct Storm {
    pub stretch: Stretch,
    /// A PostgreSQL database in place of SQLite; the power is not cut there, since its files are not on our disk.
    pub postgres: Option<Database>,
    /// Whether the power is cut too.
    pub cuts: bool,
    /// Whether the disk fails, too.
    pub faults: bool,
    pub focus: Focus,
}

/// What is tried above all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// Nothing: ends at any instant.
    None,
    /// Ends while the log is moved into the database, and no others.
    Checkpoints,
    /// The log of all commits that is kept beside it, which has to lead to all that is acknowledged.
    Log,
}

/// Holds a book against a server; the whole of it, or as much as is quick.
type Check = Box<dyn Fn(Caller, bool) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Actors at work.
struct Actors {
    link: Arc<Link>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
    checks: Vec<Check>,
    talked: Arc<Talked>,
    /// The channel in which messages are edited.
    edited: ChannelId,
}

macro_rules! spawn {
    ($actors:expr, $seed:expr, $name:literal, $actor:expr, $book:expr, |$kept:ident, $caller:ident, $whole:ident| $check:expr) => {{
        let (link, stop, book) = (Arc::clone(&$actors.link), Arc::clone(&$actors.stop), Arc::clone(&$book));
        let (mut actor, mut dice, mut number) = ($actor, Dice::new($seed), 0_u64);
        $actors.tasks.push(tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                number += 1;
                let word = format!("{}-{number}", $name);
                actor.act(&mut Turn { link: &link, dice: &mut dice, word }).await;
                sleep(Duration::from_millis(dice.below(15))).await;
            }
        }));
        $actors.checks.push(Box::new(move |$caller: Caller, $whole: bool| {
            let $kept = Arc::clone(&book);
            Box::pin($check)
        }));
    }};
}

impl Actors {
    /// Makes what the actors need on a running server, and starts them.
    async fn start(server: &Server, dice: &mut Dice) -> Self {
        let caller = Caller::of(server.address());
        let link = Arc::new(Link::default());
        *link.hold().await = Some(server.address());
        let agent = async |name: &str| {
            let body = json!({"characterJson": {"name": name, "bio": ["Takes part."]}});
            let id = caller.post("/api/agents", &body).await.data(201)["id"].as_str().unwrap().to_owned();
            caller.post(&format!("/api/agents/{id}/start"), &json!({})).await.data(200);
            id
        };
        let talked = Arc::new(Talked::default());
        let body = json!({"name": "edited", "message_server_id": "00000000-0000-0000-0000-000000000000", "type": "GROUP"});
        let channel = caller.post("/api/messaging/channels", &body).await.data(201)["id"].as_str().unwrap().to_owned();
        let edited = channel.parse().unwrap();
        let mut actors = Self { link, stop: Arc::default(), tasks: Vec::new(), checks: Vec::new(), talked: Arc::clone(&talked), edited };
        let book = Arc::new(Book::default());
        let editor = Editor { channel: channel.clone(), book: Arc::clone(&book) };
        spawn!(actors, dice.next(), "edit", editor, book, |kept, caller, _whole| {
            let channel = channel.clone();
            async move { Editor::check(&channel, &kept, &caller).await }
        });

        let of_maker = agent("Maker").await;
        let book = Arc::new(Book::default());
        let maker = Maker { agent: of_maker.clone(), ids: BTreeMap::new(), book: Arc::clone(&book) };
        spawn!(actors, dice.next(), "make", maker, book, |kept, caller, _whole| {
            let agent = of_maker.clone();
            async move { Maker::check(&agent, "make-", &kept, &caller).await }
        });

        let book = Arc::new(Book::default());
        let keeper = Keeper { ids: BTreeMap::new(), book: Arc::clone(&book) };
        spawn!(
            actors,
            dice.next(),
            "keep",
            keeper,
            book,
            |kept, caller, _whole| async move { Keeper::check("keep-", &kept, &caller).await }
        );

        let book = Arc::new(Book::default());
        let uploader = Uploader { owner: string_to_uuid("nobody").to_string(), book: Arc::clone(&book) };
        spawn!(
            actors,
            dice.next(),
            "upload",
            uploader,
            book,
            |kept, caller, whole| async move { Uploader::check(&kept, &caller, whole).await }
        );

        let of_memoir = agent("Memoir").await;
        let book = Arc::new(Book::default());
        let memoir = Memoir { agent: of_memoir.clone(), ids: BTreeMap::new(), book: Arc::clone(&book) };
        spawn!(actors, dice.next(), "remember", memoir, book, |kept, caller, _whole| {
            let agent = of_memoir.clone();
            async move { Memoir::check(&agent, &kept, &caller).await }
        });

        for (number, how) in [Talk::Session, Talk::Job, Talk::Socket].into_iter().enumerate() {
            let of_talker = agent(&format!("Talker {number}")).await;
            let someone = talkers::Talker::start(how, &of_talker, &caller, &talked).await;
            let (link, stop) = (Arc::clone(&actors.link), Arc::clone(&actors.stop));
            actors.tasks.push(tokio::spawn(someone.talk(link, stop, Dice::new(dice.next()))));
        }
        actors
    }

    /// Holds every book against what a server shows.
    async fn check(&self, server: &Server, whole: bool) {
        for check in &self.checks {
            check(Caller::of(server.address()), whole).await;
        }
    }

    /// Waits until what is under way is acknowledged.
    async fn stop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks.drain(..) {
            task.await.expect("an actor");
        }
    }
}

impl Storm {
    /// Rounds in which the server on SQLite is killed and nothing else goes wrong.
    pub fn begin(stretch: Stretch) -> Self {
        Self { stretch, postgres: None, cuts: false, faults: false, focus: Focus::None }
    }

    fn choose(&self, dice: &mut Dice) -> (Instant, End) {
        let checkpoints = self.focus == Focus::Checkpoints;
        let instant = match dice.below(8) {
            // Nothing else writes the database file.
            number if checkpoints && number < 4 => Instant::Call(1 + dice.below(2_000), control::DATABASE),
            _ if checkpoints => Instant::Close(1 + dice.below(3) * dice.below(200)),
            number if self.faults && self.postgres.is_some() && number > 1 => Instant::Outage(dice.below(3) * dice.below(1_500)),
            _ if self.faults && dice.below(4) > 0 => {
                let fault = [control::FULL, control::READ_ONLY, control::SYNC_FAILS][usize::try_from(dice.below(3)).unwrap()];
                Instant::Fault(fault, dice.below(3) * dice.below(300_000), dice.below(800))
            }
            0 => Instant::Ready(dice.below(300)),
            1 => Instant::Ack(dice.below(3_000)),
            2..=4 => Instant::Call(1 + dice.below(400), control::LOG),
            5 => Instant::Call(1 + dice.below(200), control::DATABASE),
            6 => Instant::Call(1 + dice.below(60), control::OTHERS),
            _ => Instant::Call(1 + dice.below(600), control::OTHERS | control::LOG | control::DATABASE),
        };
        let end = match dice.below(4) {
            _ if matches!(instant, Instant::Fault(..) | Instant::Outage(_)) && dice.below(2) == 0 => End::Stay,
            _ if !self.cuts => End::Kill,
            0 => End::Kill,
            1 => End::Cut(Keep::Nothing),
            _ => End::Cut(Keep::Some),
        };
        (instant, end)
    }

    /// Lets it rage.
    pub async fn rage(mut self) {
        let Stretch { rounds, seed } = self.stretch;
        let url = self.postgres.as_ref().map(|database| database.url.clone());
        println!("{rounds} rounds, DOOLITTLE_RECOVERY_SEED={seed}");
        let mut dice = Dice::new(seed);
        let answered = Arc::new(tokio::sync::Notify::new());
        let model = crate::model(&answered, dice.next()).await;
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::new(directory.path());
        let mut log = (self.focus == Focus::Log).then(|| Log::beneath(disk.root()));
        let of_log = log.as_ref().map(|log| log.settings().map(|(name, value)| (name, value.to_owned())));
        let of_log = of_log.iter().flatten().map(|(name, value)| (*name, value.as_str()));
        let settings: Vec<(&str, &str)> = SETTINGS.into_iter().chain(of_log).collect();
        let launch =
            Launch { directory: disk.root(), model: model.base_url(), postgres: url.as_deref(), disk: Some(&disk), settings: &settings };
        let mut server = launch.start().await;
        let world = World::create(&server.url).await;
        let actors = Actors::start(&server, &mut dice).await;
        let traffic = Traffic::start(world.clone(), &server.url, dice.next());

        for round in 1..=rounds {
            if let Some(log) = &mut log {
                log.back_up(disk.root()).await;
            }
            let (instant, end) = self.choose(&mut dice);
            server = self.end(server, instant, &disk, &traffic).await;
            if matches!(end, End::Stay) {
                let held = actors.link.hold().await;
                assert!(!server.ends_within(Duration::ZERO).await, "the server has ended by itself");
                actors.check(&server, false).await;
                if let Some(log) = &log {
                    log.leads_on(&launch, &actors, &traffic).await;
                }
                drop(held);
                println!("round {round}: {instant:?}; {} acknowledged so far", traffic.acknowledgements());
                continue;
            }
            drop(server);
            let mut held = actors.link.hold().await;
            *held = None;
            finish(end, &disk, &mut Dice::new(dice.next()));
            let mut starts = Vec::new();
            // Ends within the start, too: of the process alone, or before a call of the start.
            while dice.below(4) == 0 {
                let (instant, end) = (dice.below(500), self.choose(&mut dice).1);
                starts.push((instant, end));
                if dice.below(2) == 0 {
                    disk.end_after(1 + instant / 10, u32::MAX);
                }
                launch.begin().kill_after(Duration::from_millis(instant)).await;
                disk.end_after(0, 0);
                finish(end, &disk, &mut Dice::new(dice.next()));
            }
            server = launch.start().await;
            actors.check(&server, false).await;
            println!("round {round}: {instant:?}, {end:?}, then {starts:?}; {} acknowledged so far", traffic.acknowledgements());
            traffic.server_moved(&server.url);
            if let Some(log) = &log {
                log.leads_on(&launch, &actors, &traffic).await;
            }
            *held = Some(server.address());
            drop(held);
        }

        settle(server, actors, traffic, world, (disk.root(), url.as_deref())).await;
        if let Some(database) = self.postgres {
            database.drop().await;
        }
    }

    /// Waits for the instant, and ends the server then.
    async fn end(&mut self, mut server: Server, instant: Instant, disk: &Disk, traffic: &Traffic) -> Server {
        match instant {
            Instant::Ready(millis) => sleep(Duration::from_millis(millis)).await,
            Instant::Ack(micros) => {
                let _ = timeout(OWN_END, traffic.acknowledged()).await;
                sleep(Duration::from_micros(micros)).await;
            }
            Instant::Fault(fault, room, millis) => {
                disk.fail(fault, room);
                sleep(Duration::from_millis(millis)).await;
                disk.fail(0, 0);
            }
            Instant::Outage(millis) => {
                let database = self.postgres.as_mut().expect("a PostgreSQL database");
                if millis == 0 {
                    database.end_within().await;
                } else {
                    database.shut();
                    sleep(Duration::from_millis(millis)).await;
                    database.reopen();
                }
            }
            Instant::Call(number, of) => {
                disk.end_after(number, of);
                let moves = self.focus == Focus::Checkpoints;
                let ended = server.ends_within(if moves { MOVE } else { OWN_END }).await;
                println!("{}", if ended { "the call came" } else { "the call did not come" });
                assert!(ended || !moves, "the log was not moved into the database");
                disk.end_after(0, 0);
            }
            Instant::Close(number) => {
                disk.end_after(number, control::DATABASE);
                server.ask_to_stop();
                assert!(server.ends_within(MOVE).await, "the server does not stop");
                println!("{}", if disk.calls_left() == 0 { "the call came" } else { "all was moved before" });
                disk.end_after(0, 0);
            }
        }
        server
    }
}

/// Ends everything, and holds what the database and the directory of files keep against all that was acknowledged.
async fn settle(server: Server, mut actors: Actors, traffic: Traffic, mut world: World, (directory, postgres): (&Path, Option<&str>)) {
    let acknowledged = traffic.stop().await;
    actors.stop().await;
    actors.check(&server, true).await;
    let talked = actors.talked.take(&Caller::of(server.address())).await;
    world.channels.extend(talked.channels.clone());
    world.drained(&server.url).await;
    talked.check_jobs(&Caller::of(server.address())).await;
    server.stop().await;
    let target = match postgres {
        Some(url) => Target::Postgres(url.to_owned()),
        None => Target::Sqlite(directory.join("doolittle.db")),
    };
    let all: Vec<_> = acknowledged.iter().chain(&talked.acknowledged).copied().collect();
    let kept = compare::compare(&target, &world, &all, &talked.jobs, &[actors.edited]).await;
    println!("{} messages acknowledged, {kept}", all.len());
    let unknown = compare::compare_files(&target, &directory.join("media")).await;
    println!("{unknown} files are known to nobody");
    if postgres.is_none() {
        worked(verb("verify", directory).spawn().unwrap()).await;
    }
}

fn finish(end: End, disk: &Disk, dice: &mut Dice) {
    match end {
        End::Kill | End::Stay => disk.settle(),
        End::Cut(keep) => disk.cut(keep, dice),
    }
}

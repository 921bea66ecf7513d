//! A copy of a database and its log.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use core_types::Timestamp;
use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::result::Error as QueryError;

use super::end::{ENDED, FILE};
use super::*;
use crate::care;
use crate::options::Options;
use crate::sqlite::writer::{Durability, Writer};
use crate::sqlite::{Conn, connect};

mod full;
mod gone;
mod times;
mod torn;

struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

struct Counted(AtomicU64);

impl Ids for Counted {
    fn uuid(&self) -> uuid::Uuid {
        uuid::Uuid::from_u128(self.0.fetch_add(1, Ordering::SeqCst).into())
    }
}

/// A database with one table, of which a log is kept, and a clock that is set by hand.
struct Kept {
    directory: tempfile::TempDir,
    clock: Arc<Hand>,
    ids: Arc<Counted>,
}

impl Kept {
    fn new() -> Self {
        let ids = Arc::new(Counted(AtomicU64::new(1)));
        Self { directory: tempfile::tempdir().unwrap(), clock: Arc::new(Hand(AtomicI64::new(0))), ids }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("kept.db")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn options(&self) -> LogOptions {
        let clock: Arc<dyn Clock> = Arc::<Hand>::clone(&self.clock);
        LogOptions { dir: self.log(), clock }
    }

    fn open(&self) -> Writer {
        let log = self.options();
        let mut keeper = Keeper::begin(&self.path(), &log, Arc::<Counted>::clone(&self.ids)).unwrap();
        let options = Options { log: Some(log), busy_timeout: std::time::Duration::from_millis(100), ..Options::default() };
        let mut conn = connect::for_writing(&self.path(), &options).unwrap();
        keeper.hold().unwrap();
        conn.batch_execute("CREATE TABLE IF NOT EXISTS kept (id INTEGER PRIMARY KEY, content BLOB)").unwrap();
        Writer::start(conn, self.path(), options, Some(keeper)).unwrap()
    }

    /// A writer whose first commit is kept, and the lineage that it is kept in.
    async fn begun(&self) -> (Writer, String) {
        let writer = self.open();
        self.add(&writer, 1, 10).await;
        writer.keep().await.unwrap();
        (writer, self.place().0)
    }

    /// Commits a row of this many bytes at this time.
    async fn add(&self, writer: &Writer, at: i64, bytes: u32) {
        self.clock.0.store(at, Ordering::SeqCst);
        let insert = move |conn: &mut Conn| -> Result<usize, QueryError> {
            diesel::sql_query(format!("INSERT INTO kept (id, content) VALUES ({at}, randomblob({bytes}))")).execute(conn)
        };
        assert_eq!(writer.run(Durability::Synced, insert).await.unwrap().unwrap(), 1);
    }

    fn place(&self) -> (String, u64) {
        care::log_place(&self.path(), &self.log()).unwrap().unwrap()
    }

    /// A copy, brought to a moment: its rows.
    fn rows_at(&self, copy: &Path, (lineage, segment): &(String, u64), until: i64) -> Result<i64, CareError> {
        let restored = self.directory.path().join(format!("restored-{until}.db"));
        fs::copy(copy, &restored).unwrap();
        care::replay(&restored, &self.log(), lineage, *segment, Timestamp::from_millis(until))?;
        let conn = rusqlite::Connection::open(&restored).unwrap();
        let sound: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok", "at {until}");
        Ok(conn.query_row("SELECT count(*) FROM kept", [], |row| row.get(0)).unwrap())
    }
}

#[tokio::test]
async fn a_copy_and_the_log_make_the_database_of_any_moment_since() {
    let kept = Kept::new();
    let mut writer = kept.open();
    let copy = kept.directory.path().join("copy.db");
    let mut place = None;
    // Enough for the write-ahead log to begin anew while the writer runs, and at its end.
    for at in 1..=250 {
        if at == 50 {
            place = Some(kept.place());
            care::copy(&kept.path(), &copy, || {}, |_, _| {}).unwrap();
        }
        if at == 200 {
            writer.close().await;
            writer = kept.open();
        }
        kept.add(&writer, at, 100_000).await;
        if at % 40 == 0 {
            writer.keep().await.unwrap();
        }
    }
    writer.close().await;
    let place = place.unwrap();
    for until in [50, 51, 163, 199, 200, 1_000] {
        assert_eq!(kept.rows_at(&copy, &place, until).unwrap(), until.min(250), "at {until}");
    }

    // Any change of the log is refused, and so is a gap; what comes before it is still good.
    let directory = directory(&kept.log(), u128::from_str_radix(&place.0, 16).unwrap());
    let numbers = crate::care::log::numbers(&directory).unwrap();
    assert!(numbers.len() > 5 && *numbers.last().unwrap() == numbers.len() as u64, "{numbers:?}");
    let third = directory.join(format!("{:012}.log", place.1 + 2));
    let whole = fs::read(&third).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 8).chain([17, 95, whole.len() - 1]) {
        let mut flipped = whole.clone();
        flipped[at] ^= 16;
        fs::write(&third, flipped).unwrap();
        assert!(kept.rows_at(&copy, &place, 250).is_err(), "byte {at}");
    }
    fs::remove_file(&third).unwrap();
    let Err(CareError::Damaged { what, .. }) = kept.rows_at(&copy, &place, 250) else { panic!("a gap is passed over") };
    assert!(what.contains("is missing"), "{what}");
    assert_eq!(kept.rows_at(&copy, &place, 51).unwrap(), 51);

    // What no backup needs goes.
    care::forget_log(&kept.log(), None, &[(place.0.clone(), place.1 + 4)]).unwrap();
    assert_eq!(crate::care::log::numbers(&directory).unwrap().first(), Some(&(place.1 + 3)));
    care::forget_log(&kept.log(), care::log_of(&kept.path()).unwrap().as_deref(), &[]).unwrap();
    assert!(directory.exists(), "the database goes on in it");
    care::forget_log(&kept.log(), None, &[]).unwrap();
    assert!(!directory.exists());
}

#[tokio::test]
async fn what_was_committed_before_a_crash_is_kept_with_its_times_at_the_next_start() {
    let kept = Kept::new();
    let writer = kept.open();
    kept.add(&writer, 1, 10).await;
    let (copy, place) = (kept.directory.path().join("copy.db"), kept.place());
    care::copy(&kept.path(), &copy, || {}, |_, _| {}).unwrap();
    for at in 2..6 {
        kept.add(&writer, at, 10).await;
    }
    // The files as a crash leaves them: what is written is there, and nothing was ended.
    let crashed = Kept::new();
    for from in ["kept.db", "kept.db-wal", "kept.db.log", "log"] {
        let copied =
            std::process::Command::new("cp").arg("-a").arg(kept.directory.path().join(from)).arg(crashed.directory.path()).status();
        assert!(copied.unwrap().success());
    }
    writer.close().await;
    crashed.clock.0.store(9, Ordering::SeqCst);
    let writer = crashed.open();
    crashed.add(&writer, 10, 10).await;
    writer.close().await;
    for (until, rows) in [(1, 1), (2, 2), (4, 4), (5, 5), (9, 5), (10, 6)] {
        assert_eq!(crashed.rows_at(&copy, &place, until).unwrap(), rows, "at {until}");
    }
}

#[tokio::test]
async fn a_database_that_was_written_to_without_its_log_begins_another() {
    let kept = Kept::new();
    let (writer, first) = kept.begun().await;
    kept.add(&writer, 2, 10).await;
    writer.close().await;
    kept.open().close().await;
    assert_eq!(kept.place().0, first, "an end and a start are no reason");
    // A crash, and then somebody else's SQLite, which moves the write-ahead log into the file.
    let writer = kept.open();
    kept.add(&writer, 3, 10).await;
    writer.keep().await.unwrap();
    let signed = fs::read_to_string(lineage_file(&kept.path())).unwrap();
    writer.close().await;
    fs::write(lineage_file(&kept.path()), signed).unwrap();
    kept.open().close().await;
    let (second, _) = kept.place();
    assert_ne!(second, first);
    // The program without a log.
    forget(&kept.path()).unwrap();
    kept.open().close().await;
    assert_ne!(kept.place().0, second);
}

#[tokio::test]
async fn what_another_sqlite_wrote_between_an_end_and_a_start_ends_the_log() {
    let kept = Kept::new();
    let (writer, first) = kept.begun().await;
    writer.close().await;
    let signed = fs::read_to_string(lineage_file(&kept.path())).unwrap();
    let Stamp { bytes, written } = stamp(&kept.path()).unwrap().unwrap();
    assert!(signed.ends_with(&format!("{FILE}{bytes} {written}\n")), "{signed}");

    // A copy with its time goes on, also one of an archive, and one of which a connection read.
    let second = u64::try_from(written / 1_000_000_000).unwrap();
    let file = File::options().append(true).open(kept.path()).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(second)).unwrap();
    drop(file);
    care::copy(&kept.path(), &kept.directory.path().join("copy.db"), || {}, |_, _| {}).unwrap();
    rusqlite::Connection::open(kept.path()).unwrap().query_row("SELECT count(*) FROM kept", [], |row| row.get::<_, i64>(0)).unwrap();
    kept.open().close().await;
    assert_eq!(kept.place().0, first);

    // What is written at once is noticed, though it is of the same size and second.
    let writer = kept.open();
    kept.add(&writer, 2, 10).await;
    writer.close().await;
    assert_eq!(kept.place().0, first);
    std::thread::sleep(std::time::Duration::from_millis(20));
    rusqlite::Connection::open(kept.path()).unwrap().execute_batch("DELETE FROM kept").unwrap();
    kept.open().close().await;
    assert_ne!(kept.place().0, first);
}

#[tokio::test]
async fn what_another_sqlite_moved_beside_the_writer_ends_the_log() {
    let kept = Kept::new();
    let (writer, first) = kept.begun().await;
    let other = rusqlite::Connection::open(kept.path()).unwrap();
    // Enough for it to move the write-ahead log into the file, and then to begin it anew.
    other.execute_batch("CREATE TABLE other (content BLOB); INSERT INTO other VALUES (randomblob(5000000))").unwrap();
    other.execute_batch("DELETE FROM other").unwrap();
    kept.add(&writer, 2, 10).await;
    writer.keep().await.unwrap();
    let second = kept.place().0;
    assert_ne!(second, first);
    // One of its own is no reason for another.
    for at in 3..6 {
        kept.add(&writer, at, 20_000_000).await;
        writer.keep().await.unwrap();
    }
    assert_eq!(kept.place().0, second);
    writer.close().await;
}

#[tokio::test]
async fn whoever_only_reads_at_the_end_ends_no_log() {
    let kept = Kept::new();
    let (writer, first) = kept.begun().await;
    let reader = rusqlite::Connection::open(kept.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM kept").unwrap();
    kept.add(&writer, 2, 10).await;
    writer.close().await;
    drop(reader);
    // Of another process, that ends last and moves what is left.
    let other = Kept::new();
    copy_all(kept.directory.path(), &[FILES.as_slice(), &["log"]].concat(), other.directory.path());
    assert!(fs::metadata(wal_of(&other.path())).unwrap().len() > 0, "it could not be moved while it was read");
    rusqlite::Connection::open(other.path()).unwrap().query_row("SELECT count(*) FROM kept", [], |row| row.get::<_, i64>(0)).unwrap();
    assert!(!wal_of(&other.path()).exists());
    other.ids.0.store(77, Ordering::SeqCst);

    // From the next start on the write-ahead log alone has what is committed: where somebody moves it, the log does not go on.
    let crashed = Kept::new();
    copy_all(kept.directory.path(), &[FILES.as_slice(), &["log"]].concat(), crashed.directory.path());
    crashed.ids.0.store(99, Ordering::SeqCst);
    let lost = Kept::new();
    let writer = crashed.open();
    crashed.add(&writer, 3, 10).await;
    copy_all(crashed.directory.path(), &[FILES.as_slice(), &["log"]].concat(), lost.directory.path());
    writer.close().await;
    rusqlite::Connection::open(lost.path()).unwrap().query_row("SELECT count(*) FROM kept", [], |row| row.get::<_, i64>(0)).unwrap();
    lost.ids.0.store(99, Ordering::SeqCst);
    lost.open().close().await;
    assert_ne!(lost.place().0, first);

    for kept in [&kept, &other] {
        kept.open().close().await;
        assert_eq!(kept.place().0, first);
        assert_eq!(kept.rows_at(&kept.nothing(), &(first.clone(), 1), 2).unwrap(), 2);
    }
}

/// Copies files of one directory into another, in place of what is there.
fn copy_all(from: &Path, names: &[&str], to: &Path) {
    for name in names {
        let _ = fs::remove_file(to.join(name));
        if from.join(name).exists() {
            assert!(std::process::Command::new("cp").arg("-a").arg(from.join(name)).arg(to).status().unwrap().success());
        }
    }
}

/// What a database is on disk.
const FILES: [&str; 3] = ["kept.db", "kept.db-wal", "kept.db.log"];

impl Kept {
    /// Puts behind the write-ahead log what a commit leaves whose sync fails: frames that are in order, which nobody may take for committed.
    fn leave_failed_commit(&self, bytes: u32) {
        let other = tempfile::tempdir().unwrap();
        copy_all(self.directory.path(), &FILES[..2], other.path());
        let conn = rusqlite::Connection::open(other.path().join(FILES[0])).unwrap();
        conn.execute_batch(&format!("PRAGMA wal_autocheckpoint = 0; INSERT INTO kept (id, content) VALUES (999, randomblob({bytes}))"))
            .unwrap();
        let (here, there) = (self.directory.path().join(FILES[1]), other.path().join(FILES[1]));
        let (known, more) = (fs::read(&here).unwrap(), fs::read(there).unwrap());
        assert_ne!(known, more);
        OpenOptions::new().write(true).open(here).unwrap().write_all(&more).unwrap();
    }

    /// An empty file is a copy of the database from before everything.
    fn nothing(&self) -> PathBuf {
        let path = self.directory.path().join("nothing.db");
        fs::write(&path, "").unwrap();
        path
    }

    /// Nothing can be written to the log any more.
    fn lose_log(&self) -> PathBuf {
        let away = self.directory.path().join("away");
        fs::rename(self.log(), &away).unwrap();
        fs::write(self.log(), "in the way").unwrap();
        away
    }
}

#[tokio::test]
async fn what_a_failed_commit_left_is_no_commit_of_the_log() {
    let kept = Kept::new();
    let writer = kept.open();
    let (lineage, _) = kept.place();
    let start = (lineage, 1);
    for at in 1..4 {
        kept.add(&writer, at, 10).await;
    }
    // Longer than what comes in its place, and than what was committed.
    kept.leave_failed_commit(200_000);
    let nothing = |conn: &mut Conn| -> Result<usize, QueryError> { diesel::sql_query("DELETE FROM kept WHERE id = 77").execute(conn) };
    assert_eq!(writer.run(Durability::Synced, nothing).await.unwrap().unwrap(), 0);
    writer.keep().await.unwrap();
    for at in 4..7 {
        kept.add(&writer, at, 10).await;
    }
    writer.keep().await.unwrap();
    kept.add(&writer, 7, 10).await;
    kept.leave_failed_commit(100_000);
    kept.add(&writer, 8, 10).await;
    writer.close().await;
    for until in [3, 4, 6, 7, 8, 100] {
        assert_eq!(kept.rows_at(&kept.nothing(), &start, until).unwrap(), until.min(8), "at {until}");
    }
}

#[tokio::test]
async fn a_job_that_fails_and_a_group_that_fails_are_nothing_to_the_log() {
    let kept = Kept::new();
    let writer = kept.open();
    let (lineage, _) = kept.place();
    kept.add(&writer, 1, 10).await;
    kept.clock.0.store(2, Ordering::SeqCst);
    let broken = |conn: &mut Conn| -> Result<usize, QueryError> {
        diesel::sql_query("INSERT INTO kept (id) VALUES (2)").execute(conn)?;
        panic!("a defect")
    };
    assert!(writer.run(Durability::Synced, broken).await.is_err());
    writer.keep().await.unwrap();
    kept.add(&writer, 3, 10).await;
    writer.close().await;
    for (until, rows) in [(1, 1), (2, 1), (3, 2)] {
        assert_eq!(kept.rows_at(&kept.nothing(), &(lineage.clone(), 1), until).unwrap(), rows, "at {until}");
    }
}

#[tokio::test]
async fn what_was_committed_before_the_writer_began_has_its_own_time() {
    let kept = Kept::new();
    kept.clock.0.store(1, Ordering::SeqCst);
    let writer = kept.open();
    kept.add(&writer, 5, 10).await;
    let (lineage, _) = kept.place();
    writer.close().await;
    assert_eq!(kept.rows_at(&kept.nothing(), &(lineage, 1), 4).unwrap(), 0, "there is a table, and nothing in it");
}

#[tokio::test]
async fn an_earlier_copy_of_the_database_does_not_go_on_in_its_log() {
    for ended in [true, false] {
        let kept = Kept::new();
        let (writer, _) = kept.begun().await;
        let earlier = tempfile::tempdir().unwrap();
        if ended {
            writer.close().await;
            copy_all(kept.directory.path(), &FILES, earlier.path());
            let writer = kept.open();
            kept.add(&writer, 2, 10).await;
            writer.close().await;
        } else {
            // As a crash leaves it.
            copy_all(kept.directory.path(), &FILES, earlier.path());
            kept.add(&writer, 2, 10).await;
            writer.keep().await.unwrap();
            kept.add(&writer, 3, 10).await;
            writer.close().await;
        }
        let (lineage, _) = kept.place();
        kept.open().close().await;
        assert_eq!(kept.place().0, lineage, "the database itself goes on in it");
        copy_all(earlier.path(), &FILES, kept.directory.path());
        kept.open().close().await;
        assert_ne!(kept.place().0, lineage, "ended: {ended}");
    }
}

#[tokio::test]
async fn an_end_between_a_segment_and_the_word_of_it_ends_no_log() {
    let kept = Kept::new();
    kept.open().close().await;
    let writer = kept.open();
    let signed = fs::read_to_string(lineage_file(&kept.path())).unwrap();
    assert!(signed.contains(ENDED), "{signed}");
    kept.add(&writer, 1, 10).await;
    writer.keep().await.unwrap();
    let once = fs::metadata(lineage_file(&kept.path())).unwrap().modified().unwrap();
    kept.add(&writer, 2, 10).await;
    writer.keep().await.unwrap();
    assert_eq!(fs::metadata(lineage_file(&kept.path())).unwrap().modified().unwrap(), once, "it is said once that the log goes on");
    let crashed = Kept::new();
    copy_all(kept.directory.path(), &[FILES.as_slice(), &["log"]].concat(), crashed.directory.path());
    fs::write(lineage_file(&crashed.path()), signed).unwrap();
    let (lineage, _) = crashed.place();
    crashed.ids.0.store(77, Ordering::SeqCst);
    crashed.open().close().await;
    // More than one segment is more than such an end explains, but the write-ahead log has all of it.
    assert_eq!(crashed.place().0, lineage);
    writer.close().await;
}

#[tokio::test]
async fn times_that_cannot_be_noted_are_no_end_of_the_log() {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    writer.close().await;
    let times = directory(&kept.log(), u128::from_str_radix(&lineage, 16).unwrap()).join(TIMES);
    fs::remove_file(&times).unwrap();
    fs::create_dir(&times).unwrap();
    let writer = kept.open();
    for at in 2..5 {
        kept.add(&writer, at, 10).await;
    }
    writer.keep().await.unwrap();
    fs::remove_dir(&times).unwrap();
    for at in 5..7 {
        kept.add(&writer, at, 10).await;
    }
    // The first was followed up before the second was done.
    assert!(fs::metadata(&times).unwrap().len() >= TIME as u64, "they are noted again where they can be");
    writer.close().await;
    assert_eq!(kept.place().0, lineage);
    assert_eq!(kept.rows_at(&kept.nothing(), &(lineage, 1), 3).unwrap(), 3);
}

#[tokio::test]
async fn what_cannot_be_kept_stays_in_the_write_ahead_log_also_when_the_writer_ends() {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    let reader = rusqlite::Connection::open(kept.path()).unwrap();
    let away = kept.lose_log();
    kept.add(&writer, 2, 10).await;
    assert!(writer.keep().await.is_err());
    writer.close().await;
    // The last one that ends moves it, and readers end after the writer.
    drop(reader);
    assert!(fs::metadata(wal_of(&kept.path())).unwrap().len() > 0);
    fs::remove_file(kept.log()).unwrap();
    fs::rename(away, kept.log()).unwrap();
    let writer = kept.open();
    kept.add(&writer, 3, 10).await;
    writer.close().await;
    assert_eq!(kept.place().0, lineage);
    for until in 1..4 {
        assert_eq!(kept.rows_at(&kept.nothing(), &(lineage.clone(), 1), until).unwrap(), until, "at {until}");
    }
    let place = directory(&kept.log(), u128::from_str_radix(&lineage, 16).unwrap());
    let partial = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|end| end == "partial");
    assert!(!place.read_dir().unwrap().any(|entry| partial(&entry.unwrap())), "something half is left");
}

#[tokio::test]
async fn where_no_other_log_can_be_begun_whoever_asks_is_told() {
    let kept = Kept::new();
    let writer = kept.open();
    kept.add(&writer, 1, 10).await;
    kept.lose_log();
    // Somebody else moves what is not kept into the database, and has the write-ahead log begin anew.
    let conn = rusqlite::Connection::open(kept.path()).unwrap();
    conn.execute_batch("PRAGMA wal_checkpoint(RESTART); INSERT INTO kept (id) VALUES (50)").unwrap();
    drop(conn);
    kept.add(&writer, 2, 10).await;
    for _ in 0..2 {
        let told = writer.keep().await.unwrap_err().to_string();
        assert!(!told.is_empty());
    }
    kept.add(&writer, 3, 10).await;
    writer.close().await;
    assert!(!lineage_file(&kept.path()).exists(), "the next start begins another");
}

#[test]
fn a_segment_that_is_given_up_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let head = Head { lineage: 1, number: 1, previous: [0; 32], salts: [0; 8], after: 0, end: 0, page: 0, commits: 0 };
    let draft = Draft::begin(directory.path(), &head, &[]).unwrap();
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    drop(draft);
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    Draft::begin(directory.path(), &head, &[]).unwrap().finish().unwrap();
    assert_eq!(crate::care::log::numbers(directory.path()).unwrap(), [1]);
}

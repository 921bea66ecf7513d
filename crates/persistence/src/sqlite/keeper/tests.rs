//! A copy of a database and its log.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use core_types::Timestamp;
use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::result::Error as QueryError;

use super::*;
use crate::care;
use crate::options::Options;
use crate::sqlite::writer::{Durability, Writer};
use crate::sqlite::{Conn, connect};

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

    fn open(&self) -> Writer {
        let clock: Arc<dyn Clock> = Arc::<Hand>::clone(&self.clock);
        let log = LogOptions { dir: self.log(), clock };
        let keeper = Keeper::begin(&self.path(), &log, Arc::<Counted>::clone(&self.ids)).unwrap();
        let options = Options { log: Some(log), ..Options::default() };
        let mut conn = connect::for_writing(&self.path(), &options).unwrap();
        conn.batch_execute("CREATE TABLE IF NOT EXISTS kept (id INTEGER PRIMARY KEY, content BLOB)").unwrap();
        Writer::start(conn, self.path(), options, Some(keeper)).unwrap()
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
    care::forget_log(&kept.log(), &[(place.0.clone(), place.1 + 4)]).unwrap();
    assert_eq!(crate::care::log::numbers(&directory).unwrap().first(), Some(&(place.1 + 3)));
    care::forget_log(&kept.log(), &[]).unwrap();
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
    let writer = kept.open();
    kept.add(&writer, 1, 10).await;
    writer.keep().await.unwrap();
    let (first, _) = kept.place();
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

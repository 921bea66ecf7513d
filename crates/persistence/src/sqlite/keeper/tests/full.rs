//! Starts while nothing can be written to the log.

use super::torn::{crashed, page_of, torn_commit};
use super::*;

impl Kept {
    /// From now on the segment that comes next cannot be written, as on a full disk; what is there can be read.
    fn fill(&self) -> PathBuf {
        let (lineage, next) = self.place();
        let directory = directory(&self.log(), u128::from_str_radix(&lineage, 16).unwrap());
        let partial = crate::care::log::file(&directory, next).with_added_extension("partial");
        fs::create_dir(&partial).unwrap();
        partial
    }

    /// One more row makes its log lead to each moment until this.
    async fn goes_on(&self, lineage: &str, at: i64) {
        let writer = self.open();
        self.add(&writer, at, 10).await;
        writer.close().await;
        assert_eq!(self.place().0, lineage);
        self.leads_on(lineage, at);
    }

    /// Each moment until this has its own row, by a log without a gap.
    fn leads_on(&self, lineage: &str, until: i64) {
        let logs = care::check_log(&self.log(), |_| {}).unwrap();
        assert!(logs.len() == 1 && logs[0].problems.is_empty() && logs[0].stretches.len() == 1, "{logs:?}");
        for until in 1..=until {
            assert_eq!(self.rows_at(&self.nothing(), &(lineage.to_owned(), 1), until).unwrap(), until, "at {until}");
        }
    }
}

/// A log that has the first of two commits when its disk is full, as a crash then leaves it; what is to be removed to make room, and its
/// lineage.
async fn crashed_while_full() -> (Kept, PathBuf, String) {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    let full = kept.fill();
    kept.add(&writer, 2, 10).await;
    assert!(writer.keep().await.is_err());
    let crashed = crashed(&kept, 3);
    writer.close().await;
    let full = moved(&full, &kept, &crashed);
    (crashed, full, lineage)
}

/// A path in the directory of one, in that of another.
fn moved(path: &Path, from: &Kept, to: &Kept) -> PathBuf {
    to.directory.path().join(path.strip_prefix(from.directory.path()).unwrap())
}

#[tokio::test]
async fn what_cannot_be_written_at_a_start_waits_in_the_write_ahead_log_over_several_of_them() {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    let full = kept.fill();
    kept.add(&writer, 2, 10).await;
    assert!(writer.keep().await.is_err());
    writer.close().await;
    for at in 3..=5 {
        let writer = kept.open();
        kept.add(&writer, at, 10).await;
        assert!(writer.keep().await.is_err(), "at {at}");
        writer.close().await;
        assert!(fs::metadata(wal_of(&kept.path())).unwrap().len() > 0, "at {at}");
    }
    // Also over a crash, after which there is room at a start, or while a server runs.
    for room in ["at the start", "later"] {
        let crashed = crashed(&kept, 6);
        let full = moved(&full, &kept, &crashed);
        if room == "at the start" {
            fs::remove_dir(&full).unwrap();
        }
        let writer = crashed.open();
        crashed.add(&writer, 6, 10).await;
        if room == "later" {
            assert!(writer.keep().await.is_err());
            fs::remove_dir(&full).unwrap();
        }
        writer.keep().await.unwrap();
        crashed.add(&writer, 7, 10).await;
        writer.close().await;
        assert_eq!(crashed.place().0, lineage, "{room}");
        crashed.leads_on(&lineage, 7);
    }
}

#[tokio::test]
async fn after_a_clean_end_it_waits_as_well() {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    writer.close().await;
    let full = kept.fill();
    // The first commits since are in a write-ahead log of which there is no segment.
    for at in 2..=4 {
        let writer = kept.open();
        kept.add(&writer, at, 10).await;
        assert!(writer.keep().await.is_err(), "at {at}");
        writer.close().await;
    }
    let crashed = crashed(&kept, 5);
    fs::remove_dir(moved(&full, &kept, &crashed)).unwrap();
    crashed.goes_on(&lineage, 5).await;
}

#[tokio::test]
async fn what_waits_of_a_new_database_is_in_its_log_unless_somebody_else_has_moved_it() {
    let kept = Kept::new();
    // The log can be begun, and what makes the database cannot be written.
    let lineage = kept.ids.0.load(Ordering::SeqCst);
    let full = directory(&kept.log(), lineage.into()).join("000000000002.log.partial");
    fs::create_dir_all(&full).unwrap();
    let writer = kept.open();
    kept.add(&writer, 1, 10).await;
    assert!(writer.keep().await.is_err());
    let signed = fs::read_to_string(lineage_file(&kept.path())).unwrap();
    assert!(signed.contains(FILE), "it is known what the database is: {signed}");
    let (lineage, _) = kept.place();
    let (lost, crashed) = (crashed(&kept, 2), crashed(&kept, 2));
    writer.close().await;

    rusqlite::Connection::open(lost.path()).unwrap().query_row("SELECT count(*) FROM kept", [], |row| row.get::<_, i64>(0)).unwrap();
    assert!(!wal_of(&lost.path()).exists(), "it was moved");
    lost.open().close().await;
    assert_ne!(lost.place().0, lineage);

    fs::remove_dir(moved(&full, &kept, &crashed)).unwrap();
    crashed.goes_on(&lineage, 2).await;
}

#[tokio::test]
async fn what_was_never_committed_hides_nothing_that_is_while_it_waits() {
    let (crashed, full, lineage) = crashed_while_full().await;
    // Frames of a commit whose sums are wrong: SQLite writes others in their place.
    let whole = fs::read(wal_of(&crashed.path())).unwrap();
    let torn = torn_commit(&whole, 24 + page_of(&whole)).repeat(3);
    fs::write(wal_of(&crashed.path()), [whole, torn].concat()).unwrap();
    let writer = crashed.open();
    crashed.add(&writer, 3, 10).await;
    assert!(writer.keep().await.is_err());
    fs::remove_dir(full).unwrap();
    crashed.add(&writer, 4, 10).await;
    writer.close().await;
    assert_eq!(crashed.place().0, lineage);
    crashed.leads_on(&lineage, 4);
}

#[tokio::test]
async fn a_start_that_ends_while_something_waits_moves_nothing() {
    let (crashed, full, lineage) = crashed_while_full().await;
    let keeper = Keeper::begin(&crashed.path(), &crashed.options(), Arc::<Counted>::clone(&crashed.ids)).unwrap();
    let options = Options { log: Some(crashed.options()), ..Options::default() };
    // The last connection that ends moves what is in the write-ahead log.
    drop(connect::for_writing(&crashed.path(), &options).unwrap());
    drop(keeper);
    assert!(fs::metadata(wal_of(&crashed.path())).unwrap().len() > 0);
    fs::remove_dir(full).unwrap();
    crashed.goes_on(&lineage, 3).await;
}

#[tokio::test]
async fn a_mixture_is_refused_also_where_nothing_can_be_written_to_the_log_and_what_is_left_is_told() {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    for at in 2..=4 {
        kept.add(&writer, at, 10).await;
    }
    writer.keep().await.unwrap();
    let full = kept.fill();
    kept.add(&writer, 5, 10).await;
    assert!(writer.keep().await.is_err());
    let crashed = crashed(&kept, 6);
    writer.close().await;
    let mut damaged = fs::read(wal_of(&crashed.path())).unwrap();
    let page = page_of(&damaged);
    damaged[32 + 2 * (24 + page) + 24 + page / 2] ^= 1;
    fs::write(wal_of(&crashed.path()), damaged).unwrap();
    let begun = || Keeper::begin(&crashed.path(), &crashed.options(), Arc::<Counted>::clone(&crashed.ids)).err().unwrap();
    for _ in 0..2 {
        let refused = begun();
        assert!(matches!(&refused, OpenError::Mixed { left: Some(_), .. }), "{refused:?}");
        assert!(refused.to_string().contains("could not be put into it: "), "{refused}");
    }
    fs::remove_dir(moved(&full, &kept, &crashed)).unwrap();
    let refused = begun();
    assert!(matches!(&refused, OpenError::Mixed { left: None, .. }), "{refused:?}");
    crashed.leads_on(&lineage, 5);
}

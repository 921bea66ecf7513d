//! Write-ahead logs that end within a frame, and ones that are damaged in what is kept.

use super::*;
use crate::care::log::numbers;

/// What a crash leaves of this: what is written is there, and nothing was ended. Its clock says this.
pub(super) fn crashed(kept: &Kept, now: i64) -> Kept {
    let crashed = Kept::new();
    copy_all(kept.directory.path(), &[FILES.as_slice(), &["log"]].concat(), crashed.directory.path());
    crashed.clock.0.store(now, Ordering::SeqCst);
    // Ids are never given twice.
    crashed.ids.0.store(100, Ordering::SeqCst);
    crashed
}

/// The bytes of a page.
pub(super) fn page_of(wal: &[u8]) -> usize {
    usize::try_from(u32::from_be_bytes(wal[8..12].try_into().unwrap())).unwrap()
}

/// What SQLite leaves behind whole frames where it ends while it writes one with which a transaction is committed: so many bytes of it.
pub(super) fn torn_commit(wal: &[u8], bytes: usize) -> Vec<u8> {
    let mut frame = [2_u32.to_be_bytes(), 3_u32.to_be_bytes()].concat();
    frame.extend_from_slice(&wal[16..24]);
    frame.resize(24 + page_of(wal), 7);
    frame.truncate(bytes);
    frame
}

#[tokio::test]
async fn a_last_frame_that_is_torn_is_none_and_the_log_goes_on() {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    for at in 2..=4 {
        kept.add(&writer, at, 10).await;
    }
    let whole = fs::read(wal_of(&kept.path())).unwrap();
    let page = page_of(&whole);
    assert_eq!((whole.len() - 32) % (24 + page), 0, "nothing is torn yet");
    for (case, bytes) in [10, 24, 24 + page / 2, 24 + page - 1].into_iter().enumerate() {
        let crashed = crashed(&kept, 4);
        fs::write(wal_of(&crashed.path()), [whole.as_slice(), &torn_commit(&whole, bytes)].concat()).unwrap();
        // Another log begins before it as well.
        let other = self::crashed(&crashed, 4);
        other.ids.0.store(200, Ordering::SeqCst);
        fs::remove_file(lineage_file(&other.path())).unwrap();
        other.open().close().await;
        assert_ne!(other.place().0, lineage, "case {case}");

        let writer = crashed.open();
        crashed.add(&writer, 5, 10).await;
        writer.close().await;
        assert_eq!(crashed.place().0, lineage, "case {case}");
        let logs = care::check_log(&crashed.log(), |_| {}).unwrap();
        assert!(logs.len() == 1 && logs[0].problems.is_empty() && logs[0].stretches.len() == 1, "case {case}: {logs:?}");
        for until in 1..=5 {
            assert_eq!(crashed.rows_at(&crashed.nothing(), &(lineage.clone(), 1), until).unwrap(), until, "case {case}, at {until}");
        }
    }
    writer.close().await;
}

#[tokio::test]
async fn where_what_is_kept_is_damaged_in_the_write_ahead_log_nothing_begins_and_the_log_leads_to_the_last_commit() {
    let kept = Kept::new();
    let (writer, lineage) = kept.begun().await;
    for at in 2..=6 {
        kept.add(&writer, at, 10).await;
    }
    writer.keep().await.unwrap();
    let place = u128::from_str_radix(&lineage, 16).unwrap();
    let (head, _) = last(&directory(&kept.log(), place), place).unwrap().unwrap();
    // A crash comes before these are kept.
    for at in 7..=8 {
        kept.add(&writer, at, 10).await;
    }
    let whole = fs::read(wal_of(&kept.path())).unwrap();
    let page = page_of(&whole);
    // Within the third frame; and cut off within the last one that is kept.
    let mut flipped = whole.clone();
    flipped[32 + 2 * (24 + page) + 24 + page / 2] ^= 1;
    let cut = whole[..32 + usize::try_from(head.end).unwrap() * (24 + page) - page / 2].to_vec();
    for (damaged, rows) in [(flipped, 8), (cut, 6)] {
        let crashed = crashed(&kept, 8);
        fs::write(wal_of(&crashed.path()), damaged).unwrap();
        let files = || FILES.map(|name| fs::read(crashed.directory.path().join(name)).unwrap());
        let segments = || numbers(&directory(&crashed.log(), place)).unwrap();
        let begun = || Keeper::begin(&crashed.path(), &crashed.options(), Arc::<Counted>::clone(&crashed.ids)).err();
        let before = files();
        assert!(
            matches!(begun(), Some(OpenError::Mixed { wal, log, left: None }) if wal == wal_of(&crashed.path()) && log == crashed.log())
        );
        let led = segments();
        assert!(matches!(begun(), Some(OpenError::Mixed { .. })), "it is not begun the second time either");
        assert!(files() == before, "the database is left as it is");
        assert_eq!(segments(), led);
        assert_eq!(care::check_log(&crashed.log(), |_| {}).unwrap().len(), 1, "no other log was begun");
        for until in [1, 6, 9] {
            let expected = until.min(rows);
            assert_eq!(crashed.rows_at(&crashed.nothing(), &(lineage.clone(), 1), until).unwrap(), expected, "at {until} of {rows}");
        }

        // Whoever goes on with what is there has it written to without a log for once, and begins another.
        forget(&crashed.path()).unwrap();
        crashed.open().close().await;
        assert_ne!(crashed.place().0, lineage);
    }
    writer.close().await;
}

#[tokio::test]
async fn a_database_is_not_opened_where_what_is_kept_is_damaged_in_the_write_ahead_log() {
    let directory = tempfile::tempdir().unwrap();
    let (path, dir) = (directory.path().join("kept.db"), directory.path().join("log"));
    let open = |path: PathBuf| {
        let clock: Arc<dyn Clock> = Arc::new(Hand(AtomicI64::new(1)));
        let options = Options { log: Some(LogOptions { dir: dir.clone(), clock }), ..Options::default() };
        crate::sqlite::Db::open(path, options, Arc::new(Counted(AtomicU64::new(1))))
    };
    let db = open(path.clone()).await.unwrap();
    let crashed = directory.path().join("crashed");
    fs::create_dir(&crashed).unwrap();
    copy_all(directory.path(), &FILES, &crashed);
    db.close().await;
    let crashed = crashed.join("kept.db");
    let mut bytes = fs::read(wal_of(&crashed)).unwrap();
    bytes[32 + 24 + 100] ^= 1;
    fs::write(wal_of(&crashed), bytes).unwrap();
    let Err(refused) = open(crashed.clone()).await else { panic!("opened") };
    assert!(matches!(&refused, OpenError::Mixed { wal, .. } if *wal == wal_of(&crashed)), "{refused:?}");
    assert!(refused.to_string().contains("a mixture of two states"), "{refused}");
}

//! What is kept of backups and of the log, and what is not.

use core_types::MessageServerId;
use core_types::messaging::ServerChange;
use testkit::clock::SteppedClock;

use super::*;
use crate::config::{SettingId, Sources};

const HOUR: i64 = 60 * 60 * 1_000;
const NOW: i64 = 1_700_000_000_000;

fn config(directory: &Path) -> Config {
    let mut sources = Sources { working_dir: directory.to_owned(), ..Sources::default() };
    sources.flags.insert(SettingId::DataDir, directory.join("data").to_string_lossy().into_owned());
    for (id, value) in [(SettingId::BackupDir, "backups"), (SettingId::BackupLog, "log")] {
        sources.environment.insert(id, directory.join(value).to_string_lossy().into_owned());
    }
    sources.environment.insert(SettingId::BackupKeep, "2".to_owned());
    Config::load(&sources).unwrap()
}

/// A server's data and its settings: two backups are kept, and a log.
struct Place {
    directory: tempfile::TempDir,
    config: Config,
    store: Store,
    media: Arc<dyn MediaStore>,
}

impl Place {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path());
        crate::data_dir::prepare(&config.data_dir).unwrap();
        let store = wiring::open(&config).await.unwrap();
        let media = wiring::media_store(&config).await.unwrap();
        Self { directory, config, store, media }
    }

    fn dir(&self) -> PathBuf {
        self.directory.path().join("backups")
    }

    /// The schedule of a server that starts at this time.
    fn schedule(&self, clock: &Arc<SteppedClock>) -> Schedule {
        let clock: Arc<dyn Clock> = Arc::<SteppedClock>::clone(clock);
        Schedule::of(&self.config, &self.store, Arc::clone(&self.media), clock).unwrap().unwrap()
    }

    /// Makes a backup at this time that has something which none before it has, and so has a place of its own in the log.
    async fn back_up(&self, clock: &Arc<SteppedClock>) {
        let now = clock.now();
        let change = ServerChange { name: Some(backup::name(now)), ..ServerChange::default() };
        assert!(self.store.servers().update(MessageServerId::DEFAULT, change, now).await.unwrap().is_some());
        self.store.keep_log().await.unwrap();
        self.schedule(clock).once().await.unwrap();
    }
}

fn clock(millis: i64) -> Arc<SteppedClock> {
    Arc::new(SteppedClock::manual(Timestamp::from_millis(millis)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_are_kept_and_what_was_never_finished_is_swept() {
    let place = Place::new().await;
    let clock = clock(NOW);
    let schedule = || place.schedule(&clock);
    assert!(schedule().describe().ends_with("the next now"));
    let dir = place.dir();
    let left = dir.join("doolittle-19700101T000000Z.partial-1");
    fs::create_dir(&left).unwrap();
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    fs::File::open(&left).unwrap().set_modified(long_ago).unwrap();
    // Of a command that is at work.
    let at_work = dir.join(format!("doolittle-19700101T000001Z.partial-{}", std::process::id()));
    fs::create_dir(&at_work).unwrap();
    fs::write(dir.join("notes"), "mine").unwrap();
    let mut made = Vec::new();
    for _ in 0..4 {
        place.store.keep_log().await.unwrap();
        made.push(backup::name(clock.now()));
        schedule().once().await.unwrap();
        clock.advance(HOUR);
    }
    let mut there: Vec<String> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    there.sort();
    let at_work = at_work.file_name().unwrap().to_str().unwrap();
    assert_eq!(there, [at_work, made[2].as_str(), made[3].as_str(), "notes"]);
    let (_, newest) = kept(&dir).unwrap().whole.pop().unwrap();
    assert_eq!(newest.files.len(), 1);
    assert!(newest.log.is_some(), "it knows where the log goes on");
    assert!(schedule().describe().contains("the next at "), "{}", schedule().describe());
    place.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_wrong_and_a_backup_that_cannot_be_read_cost_no_other() {
    let place = Place::new().await;
    let dir = place.dir();
    let log = || {
        let lineage = care::log_of(&place.config.data_dir.join(wiring::DATABASE)).unwrap().unwrap();
        fs::read_dir(place.directory.path().join("log").join(lineage))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "log"))
            .count()
    };
    let (now, future) = (NOW, 1_900_000_000_000);
    for future in [future, future + HOUR] {
        place.back_up(&clock(future)).await;
    }
    let schedule = place.schedule(&clock(now));
    assert!(schedule.next <= schedule.after(Timestamp::from_millis(now)), "{}", schedule.describe());
    place.back_up(&clock(now)).await;
    let there = |millis: i64| dir.join(backup::name(Timestamp::from_millis(millis))).is_dir();
    assert_eq!([future, future + HOUR, now].map(there), [false, true, true], "it was just made, whatever the others say");

    let unread = dir.join(backup::name(Timestamp::from_millis(now + HOUR)));
    fs::create_dir_all(unread.join(FILE)).unwrap();
    let before = log();
    for hour in 2..4 {
        place.back_up(&clock(now + hour * HOUR)).await;
    }
    let grown = log();
    assert!(grown > before && unread.is_dir(), "it may need any of the log");
    fs::remove_dir_all(&unread).unwrap();
    place.back_up(&clock(now + 4 * HOUR)).await;
    assert_eq!([future + HOUR, now + 3 * HOUR, now + 4 * HOUR].map(there), [false, true, true]);
    assert!(log() < grown, "{}", log());

    // Another directory, or none that is mounted, knows nothing of the backups that need the log.
    let before = log();
    fs::rename(&dir, place.directory.path().join("elsewhere")).unwrap();
    place.back_up(&clock(now + 5 * HOUR)).await;
    assert!(log() > before);
    place.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_backup_of_a_sound_database_outlives_those_of_a_damaged_one_and_so_does_its_log() {
    let place = Place::new().await;
    let clock = clock(NOW);
    let dir = place.dir();
    let there = || -> Vec<bool> { kept(&dir).unwrap().whole.iter().map(|(_, manifest)| manifest.damaged).collect() };
    let change = |statement: &str| {
        let conn = rusqlite::Connection::open(place.config.data_dir.join(wiring::DATABASE)).unwrap();
        conn.execute_batch(statement).unwrap();
    };
    let another = async || {
        place.back_up(&clock).await;
        clock.advance(HOUR);
        there()
    };
    assert_eq!(another().await, [false]);
    assert_eq!(another().await, [false, false]);
    let (sound, manifest) = kept(&dir).unwrap().whole.pop().unwrap();
    change(
        "PRAGMA foreign_keys = OFF; INSERT INTO memory_vectors (memory_ordinal, memory_id, agent_id, space_id, table_name, room_id, \
         entity_id, created_at, scale, numbers) VALUES (1, zeroblob(16), zeroblob(16), 99, 'messages', zeroblob(16), zeroblob(16), 0, \
         1.0, zeroblob(8))",
    );
    assert_eq!(another().await, [false, true]);
    for _ in 0..3 {
        assert_eq!(another().await, [false, true, true]);
        assert_eq!(kept(&dir).unwrap().whole[0].0, sound);
    }
    let log = manifest.log.unwrap();
    let needed = place.directory.path().join("log").join(&log.lineage).join(format!("{:012}.log", log.segment));
    assert!(needed.is_file(), "{} is gone", needed.display());
    change("DELETE FROM memory_vectors");
    assert_eq!(another().await, [true, false]);
    assert!(!needed.exists() && !sound.exists());

    // What is wrong with files is in a database that is sound; they may be in the newest that has them all.
    let (whole, manifest) = kept(&dir).unwrap().whole.pop().unwrap();
    change(
        "PRAGMA foreign_keys = OFF; INSERT INTO media (id, family, owner_id, media_type, original_name, size, sha256, created_at) \
         VALUES (randomblob(16), 'agent', zeroblob(16), 'text/plain', 'gone', 1, zeroblob(32), 0)",
    );
    let log = manifest.log.unwrap();
    let needed = place.directory.path().join("log").join(&log.lineage).join(format!("{:012}.log", log.segment));
    for _ in 0..3 {
        another().await;
    }
    assert_eq!(there(), [false; 3]);
    assert!(whole.is_dir() && !needed.exists(), "the log goes on from each of the others");
    place.store.close().await;
}

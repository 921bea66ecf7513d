//! The verb `backup`, and the making of backups for it and for the server's schedule.
//!
//! The database is copied by SQLite's own online backup within one read transaction, so that it shows one moment, while a server goes on
//! writing; so it needs neither the lock on the data directory nor the server's help. Uploaded files never change, and go only after their
//! rows, a day after they came at the earliest. So they are copied first, and after the database once more those that came meanwhile: each
//! row of the copy has its file. Keys may be renewed meanwhile, so those of before the copy go along with those of after it. Copying pages
//! finds nothing wrong with them, so the copy is looked at before it is called a backup.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use core_types::error::chain;
use core_types::media::{MediaName, MediaStore};
use core_types::{Clock, Timestamp};
use persistence::care::{self, Access, Check, KnownFile};
use serde_json::json;
use tokio::runtime::Handle;

use super::manifest::{Entry, LogPlace, Manifest};
use super::progress::{Progress, size};
use super::write::Writer;
use super::{ServerData, failed, inside, keys, off_thread, recover, stage, told, unwritable, within};
use crate::cli::BackupArgs;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::program::print;
use crate::{secret_key, wiring};

/// Uploaded files that are asked for at once.
const BATCH: usize = 500;

/// Makes a backup and tells of it.
pub async fn run(config: &Config, args: BackupArgs) -> Result<(), Failure> {
    let data = ServerData::of(config).await?;
    let to = args.to.unwrap_or_else(|| config.backups.dir.clone().unwrap_or_default().join(name(SystemClock.now())));
    let order =
        Order { data: data.clone(), to: to.clone(), with_key: args.with_key, log: recover::place(config)?, clock: Arc::new(SystemClock) };
    let progress = if args.json { Progress::quiet() } else { Progress::new() };
    let manifest = off_thread(move || make(&order, progress)).await?;
    let said = if args.json {
        let told = json!({"backup": to, "bytes": manifest.bytes(), "createdAt": manifest.created_at, "schema": manifest.schema,
            "files": manifest.files.len(), "key": manifest.key, "log": manifest.log, "damaged": manifest.damaged,
            "inside": within(config, &to), "problems": manifest.problems});
        format!("{told:#}\n")
    } else {
        let missed = if manifest.log.is_none() { recover::log_of(config)? } else { None };
        let inside = within(config, &to).map_or_else(String::new, |directory| format!("KEEP ANOTHER ELSEWHERE: {}.\n", inside(directory)));
        report(&to, &manifest, data.salted) + &missed.as_deref().map_or_else(String::new, missed_log) + &inside
    };
    print(&said)?;
    if manifest.problems.is_empty() {
        return Ok(());
    }
    let message = if manifest.damaged {
        "the backup is made, and has what there is; but the database is damaged: keep the backups before it, and see `doolittle repair`"
    } else {
        "the backup is made, and has what there is; but that is not as it should be (see `doolittle verify`)"
    };
    Err(Failure::new(Exit::Damaged, message))
}

/// A name that sorts by time.
pub(crate) fn name(at: Timestamp) -> String {
    let plain: String = at.iso().chars().take(19).filter(char::is_ascii_alphanumeric).collect();
    format!("doolittle-{plain}Z")
}

fn report(to: &Path, manifest: &Manifest, salted: bool) -> String {
    let mut said = format!("{}: {}, as it was at {}\n", to.display(), manifest.extent(), manifest.created_at);
    said.push_str(match (manifest.key, salted) {
        (true, _) => "It has secret.key, which opens the agents' secrets: keep it as you keep a password.\n",
        (false, true) => "The agents' secrets in it are encrypted under SECRET_SALT, which is NOT in it: keep that elsewhere.\n",
        (false, false) => {
            "It has NOT secret.key, without which the agents' secrets in it cannot be read: keep that file elsewhere, or say --with-key.\n"
        }
    });
    for problem in &manifest.problems {
        // Writing to a String cannot fail.
        let _ = writeln!(said, "NOT AS IT SHOULD BE: {problem}");
    }
    said
}

/// What is said where a log is kept and this program was not told where.
fn missed_log(log: &str) -> String {
    format!(
        "IT LEADS TO NO OTHER MOMENT: the log {log} is kept of this database, but where is not said here. For a backup that the log goes on \
         from, set BACKUP_LOG_DIR as the server has it.\n"
    )
}

/// A backup to be made.
pub(crate) struct Order {
    /// Of what.
    pub data: ServerData,
    /// Where to; nothing may be there. A name that ends in `.tar` is one file, any other a directory.
    pub to: PathBuf,
    /// Whether the key goes along.
    pub with_key: bool,
    /// Where the log stood before.
    pub log: Option<LogPlace>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Makes a backup. It is whole, synced and under its name when this returns, and not there otherwise. Blocks, on a thread that may,
/// within the runtime that the store of files works on.
pub(crate) fn make(order: &Order, mut progress: Progress) -> Result<Manifest, Failure> {
    let Order { data, to, clock, .. } = order;
    let unwritable = unwritable(to);
    let mut manifest = Manifest::new(clock.now());
    let mut writer = Writer::begin(to, clock.now()).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(Exit::Usage, format!("{} is there already; name another place", to.display())),
        _ => unwritable(error),
    })?;
    let mut media = Media { store: &data.media, copied: HashMap::new(), handle: Handle::current() };
    media.all(&mut writer, &mut manifest, &mut progress).map_err(&unwritable)?;

    let key_before = order.with_key.then(|| key(data)).transpose()?;
    let copy = writer.aside(wiring::DATABASE);
    let mut seen = Timestamp::from_millis(0);
    let copied =
        care::copy(&data.database, &copy, || seen = clock.now(), |done, all| progress.say(|| format!("database: {done} of {all} pages")))
            .map_err(|error| failed(&error))?;
    (manifest.created_at, manifest.created_at_millis) = (seen.iso(), seen.millis());
    manifest.schema = copied.schema;
    manifest.log.clone_from(&order.log);
    progress.say(|| "database: looking at the copy".to_owned());
    let keys = key_before.map(|before| Ok::<_, Failure>(keys::union(&key(data)?, &before))).transpose()?;
    let checked = care::check(&copy, Access::Frozen).map_err(|error| failed(&error))?;
    manifest.damaged = checked.problems.iter().any(|problem| problem.check != Check::Unchecked);
    manifest.problems.extend(checked.problems.iter().map(|problem| format!("{}: {}", problem.check, problem.what)));
    manifest.problems.extend(keys.as_ref().and_then(|keys| locked(data, &copy, keys)));
    manifest.files.push(writer.adopt(wiring::DATABASE).map_err(&unwritable)?);
    media.rest(&checked.files, &mut writer, &mut manifest).map_err(&unwritable)?;
    if let Some(keys) = keys {
        let entry = writer.put(secret_key::FILE, keys.len() as u64, |write| write(&keys)).map_err(&unwritable)?;
        manifest.files.push(entry);
        manifest.key = true;
    }
    writer.finish(&manifest).map_err(&unwritable)?;
    Ok(manifest)
}

/// The key file as it is now.
fn key(data: &ServerData) -> Result<Vec<u8>, Failure> {
    fs::read(&data.key).map_err(|error| Failure::new(Exit::DataDir, format!("{} cannot be read", data.key.display())).because(error))
}

/// What is wrong with the secrets of a copy, beside which these keys are.
fn locked(data: &ServerData, copy: &Path, keys: &[u8]) -> Option<String> {
    match keys::unopened(copy, keys, &data.salts) {
        Ok(unopened) => unopened.map(|keys::Unopened { count, all }| {
            format!("{count} of {all} secrets of agents can be read with no key of the backup: if keys changed meanwhile, make another")
        }),
        Err(error) => Some(format!("whether its keys open the secrets of agents cannot be looked at: {}", chain(&error))),
    }
}

/// Uploaded files on their way into a backup.
struct Media<'a> {
    store: &'a Arc<dyn MediaStore>,
    copied: HashMap<MediaName, (u64, String)>,
    handle: Handle,
}

impl Media<'_> {
    /// Copies all that there are.
    fn all(&mut self, writer: &mut Writer, manifest: &mut Manifest, progress: &mut Progress) -> io::Result<()> {
        let mut after = None;
        loop {
            let listed = self.handle.block_on(self.store.list(after, BATCH)).map_err(|error| told(&error))?;
            let Some(last) = listed.last() else { return Ok(()) };
            after = Some(last.name);
            for stored in &listed {
                // One that is gone by now has lost its row before.
                self.one(stored.name, stored.size, writer, manifest)?;
                progress.say(|| format!("files: {}, {}", self.copied.len(), size(manifest.bytes())));
            }
        }
    }

    /// Copies what rows speak of and is not copied yet, and notes what is not as they say.
    fn rest(&mut self, known: &[KnownFile], writer: &mut Writer, manifest: &mut Manifest) -> io::Result<()> {
        for file in known {
            if !self.copied.contains_key(&file.name) {
                let stored = self.handle.block_on(self.store.metadata(file.name)).map_err(|error| told(&error))?;
                if let Some(stored) = stored {
                    self.one(stored.name, stored.size, writer, manifest)?;
                }
            }
            match self.copied.get(&file.name) {
                None => manifest.problems.push(format!("the file {} is known and is not there", file.name)),
                Some((bytes, sha256)) if *bytes != file.size || *sha256 != hex::encode(file.sha256) => {
                    manifest.problems.push(format!("the file {} is not what was uploaded", file.name));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn one(&mut self, name: MediaName, bytes: u64, writer: &mut Writer, manifest: &mut Manifest) -> io::Result<()> {
        let Some(mut reader) = self.handle.block_on(self.store.open(name, 0..bytes)).map_err(|error| told(&error))? else { return Ok(()) };
        let path = format!("{}/{}", stage::MEDIA, stage::media_path(name));
        let entry: Entry = writer.put(&path, bytes, |write| {
            while let Some(piece) = self.handle.block_on(reader.next()).map_err(|error| told(&error))? {
                write(&piece)?;
            }
            Ok(())
        })?;
        self.copied.insert(name, (bytes, entry.sha256.clone()));
        manifest.files.push(entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use testkit::clock::SteppedClock;

    use super::*;
    use crate::care::verify;
    use crate::config::{SettingId, Sources};

    #[test]
    fn names_sort_by_time() {
        let names = [0, 1_000, 86_400_000].map(|millis| name(Timestamp::from_millis(millis)));
        assert_eq!(names[0], "doolittle-19700101T000000Z");
        assert!(names.is_sorted());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_backup_that_takes_its_time_is_sound() {
        let directory = tempfile::tempdir().unwrap();
        let mut sources = Sources { working_dir: directory.path().to_owned(), ..Sources::default() };
        sources.flags.insert(SettingId::DataDir, directory.path().join("data").to_string_lossy().into_owned());
        let config = Config::load(&sources).unwrap();
        crate::data_dir::prepare(&config.data_dir).unwrap();
        let store = wiring::open(&config).await.unwrap();
        for name in ["one", "two.tar"] {
            // Seconds go by while it is made.
            let clock = Arc::new(SteppedClock::new(Timestamp::from_millis(1_700_000_000_000), 2_500));
            let to = directory.path().join(name);
            let order = Order { data: ServerData::of(&config).await.unwrap(), to: to.clone(), with_key: false, log: None, clock };
            let manifest = off_thread(move || make(&order, Progress::quiet())).await.unwrap();
            assert!(manifest.created_at_millis > 1_700_000_000_000, "it is of when the database was copied");
            let findings = off_thread(move || verify::backup(&to, Progress::quiet())).await.unwrap();
            assert!(findings.problems.is_empty(), "{name}: {:?}", findings.problems);
        }
        store.close().await;
    }
}

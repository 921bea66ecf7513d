//! The verb `restore`: makes a data directory of a backup.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use auth::SecretVault;
use bytes::Bytes;
use core_types::Clock as _;
use core_types::error::chain;
use core_types::media::{MediaName, MediaStore};
use media_files::MediaFiles;
use persistence::care::{self, Access, KnownFile};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::manifest::Manifest;
use super::progress::{Progress, size};
use super::read::{self, Taker};
use super::recover::{Reached, Until};
use super::{failed, keys, off_thread, recover, stage, told, unwritable, verify};
use crate::cli::RestoreArgs;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::lock::{self, DataLock};
use crate::program::print;
use crate::{secret_key, wiring};

/// The database has this name until everything else is in its place, so that nothing takes half of it for a data directory.
const UNFINISHED: &str = "doolittle.db.restoring";

/// Restores, and tells what was found in the end.
pub async fn run(config: &Config, args: RestoreArgs) -> Result<(), Failure> {
    if config.postgres_url.is_some() {
        let message = "backups have the embedded database, and the settings name PostgreSQL (POSTGRES_URL): unset it to restore one";
        return Err(Failure::new(Exit::Usage, message));
    }
    read::must_exist(&args.from, "--from")?;
    for (option, directory) in [("--media", &args.media), ("--log", &args.log)] {
        if let Some(directory) = directory.as_deref().filter(|directory| !directory.is_dir()) {
            return Err(Failure::new(Exit::Usage, format!("{option}: {} is no directory", directory.display())));
        }
    }
    let data_dir = named(&config.data_dir)?;
    let target = target(config, args.replace)?;
    let inside = inside(config);
    let outside = if inside.is_none() { Some(wiring::media_store(config).await?) } else { None };
    let order = Order {
        data_dir: data_dir.clone(),
        media: inside,
        outside,
        salted: config.secret_salt.is_some(),
        salts: secret_key::reader(config),
        log: args.log.clone().or_else(|| config.backups.log_dir.clone()),
        args: args.clone(),
    };
    let progress = if args.json { Progress::quiet() } else { Progress::new() };
    let restored = off_thread(move || restore(&order, &target, progress)).await?;
    tell(config, &args, &restored)
}

fn tell(config: &Config, args: &RestoreArgs, restored: &Restored) -> Result<(), Failure> {
    let Restored { manifest, reached, aside, findings, locked } = restored;
    let until = reached.as_ref().map(|reached| &reached.moment);
    let problems: Vec<&str> = findings.problems.iter().map(|problem| problem.what.as_str()).chain(locked.as_deref()).collect();
    let key = manifest.key || config.secret_salt.is_some();
    if args.json {
        let mut told = json!({"dataDir": config.data_dir, "backup": args.from, "createdAt": manifest.created_at, "until": until,
            "logEndsBefore": null, "movedAside": aside, "key": manifest.key, "problems": problems, "sound": problems.is_empty()});
        if let (Some(told), Some(reached)) = (told.as_object_mut(), reached) {
            told.extend(reached.as_json());
        }
        print(&format!("{told:#}\n"))?;
    } else {
        let moment = until.unwrap_or(&manifest.created_at);
        let by = if reached.is_some() { "by the log and a backup of " } else { "" };
        let mut said = format!("{} is as it was at {moment}: {by}{}\n", config.data_dir.display(), manifest.extent());
        said.push_str(&reached.as_ref().map_or_else(String::new, Reached::report));
        if let Some(aside) = aside {
            // Writing to a String cannot fail.
            let _ = writeln!(said, "What was there before is in {}.", aside.display());
        }
        if !key {
            said.push_str(
                "The backup has no secret.key: put the file into the data directory before you start, or agents' secrets cannot be read.\n",
            );
        }
        for problem in &problems {
            let _ = writeln!(said, "NOT AS IT SHOULD BE: {problem}");
        }
        print(&said)?;
    }
    if problems.is_empty() {
        return Ok(());
    }
    let message = if findings.problems.is_empty() {
        "the data is restored; but not all secrets of agents in it can be read"
    } else if reached.is_some() {
        "the data is restored, but not all in it is as it should be: files that came after the backup are taken from a media directory with \
         --media; else see `doolittle repair`"
    } else {
        "the backup is restored as it was made; but not all in it is as it should be (see `doolittle repair`)"
    };
    Err(Failure::new(Exit::Damaged, message))
}

/// The path of the data directory with a name at its end: beside that the new one is made, and what is there is moved aside.
fn named(data_dir: &Path) -> Result<PathBuf, Failure> {
    if data_dir.file_name().is_some() {
        return Ok(data_dir.to_owned());
    }
    let path = data_dir.canonicalize();
    path.ok().filter(|path| path.file_name().is_some()).ok_or_else(|| {
        let message = format!("{} cannot be a data directory: name one with --data-dir (ELIZA_DATA_DIR)", data_dir.display());
        Failure::new(Exit::Usage, message)
    })
}

/// The right to put a data directory where nothing of value is.
struct Target {
    /// Whether what is there is moved aside.
    replaces: bool,
    /// Nobody else uses what is there.
    _lock: Option<DataLock>,
}

/// Sees to it that nothing is overwritten.
fn target(config: &Config, replace: bool) -> Result<Target, Failure> {
    let path = &config.data_dir;
    let mut entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Target { replaces: false, _lock: None }),
        Err(error) => return Err(Failure::new(Exit::DataDir, format!("{} cannot be read", path.display())).because(error)),
    };
    let empty = entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == lock::FILE));
    if !empty && !replace {
        let message = format!(
            "{} is not empty: name another data directory with --data-dir, or say --replace to have it moved aside",
            path.display()
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(Target { replaces: !empty, _lock: Some(DataLock::take(path)?) })
}

/// Where uploaded files are below the data directory; `None` where they are elsewhere.
fn inside(config: &Config) -> Option<PathBuf> {
    if config.media.bucket.is_some() {
        return None;
    }
    config.media.dir.strip_prefix(&config.data_dir).ok().map(Path::to_owned).filter(|path| !path.as_os_str().is_empty())
}

struct Order {
    data_dir: PathBuf,
    media: Option<PathBuf>,
    outside: Option<Arc<dyn MediaStore>>,
    salted: bool,
    salts: SecretVault,
    log: Option<PathBuf>,
    args: RestoreArgs,
}

struct Restored {
    manifest: Manifest,
    reached: Option<Reached>,
    aside: Option<PathBuf>,
    findings: verify::Findings,
    /// What is to be told of secrets that the keys there do not open.
    locked: Option<String>,
}

fn restore(order: &Order, target: &Target, mut progress: Progress) -> Result<Restored, Failure> {
    let Order { data_dir, media, outside, args, .. } = order;
    let staging = Staging::begin(data_dir)?;
    let unwritable = unwritable(&staging.0);
    let media_dir = media.clone().unwrap_or_else(|| PathBuf::from(stage::MEDIA));
    let manifest = extract(&args.from, &staging.0, &media_dir, &mut progress)?;

    let database = staging.0.join(UNFINISHED);
    let until = args.until.map(Until::Moment).or(args.log.is_some().then_some(Until::End));
    let reached = recover::until(order.log.as_deref(), until, &manifest, &database)?;
    let files = staging.0.join(&media_dir);
    stage::directory(&files).map_err(&unwritable)?;
    let handle = Handle::current();
    let store: Arc<dyn MediaStore> = if let Some(store) = outside {
        handle.block_on(bring(store.as_ref(), &manifest, &files)).map_err(&unwritable)?;
        fs::remove_dir_all(&files).map_err(&unwritable)?;
        Arc::clone(store)
    } else {
        let opened = handle.block_on(MediaFiles::open(files));
        Arc::new(opened.map_err(|error| Failure::new(Exit::Failure, "the files cannot be looked at").because(chain(&error)))?)
    };
    if let Some(others) = &args.media {
        let known = care::known_files(&database).map_err(|error| failed(&error))?;
        handle.block_on(fetch(store.as_ref(), &known, others)).map_err(&unwritable)?;
    }
    let findings = verify::live(&database, Access::Frozen, &store, progress)?;
    let findings = verify::Findings { looked_at: data_dir.display().to_string(), ..findings };
    // Where there is no key at all, that is told instead.
    let locked = if manifest.key || order.salted { locked(order, &database, &staging.0.join(secret_key::FILE))? } else { None };

    sync_all(&staging.0).map_err(&unwritable)?;
    let aside = give_way(data_dir, target)?;
    fs::rename(&database, staging.0.join(wiring::DATABASE)).and_then(|()| stage::sync(&staging.0)).map_err(&unwritable)?;
    stage::publish(&staging.0, data_dir).map_err(super::unwritable(data_dir))?;
    Ok(Restored { manifest, reached, aside, findings, locked })
}

/// What is to be told of the secrets that are restored, where this key file does not open all of them.
fn locked(order: &Order, database: &Path, key: &Path) -> Result<Option<String>, Failure> {
    let keys = match fs::read(key) {
        Ok(keys) => keys,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Failure::new(Exit::Failure, format!("{} cannot be read", key.display())).because(error)),
    };
    Ok(match keys::unopened(database, &keys, &order.salts) {
        Ok(unopened) => unopened.map(|keys::Unopened { count, all }| {
            let place = order.data_dir.display();
            format!(
                "{count} of {all} secrets of agents cannot be read with the keys there: put the secret.key of the time restored to into \
                 {place}, or set SECRET_SALT as it was"
            )
        }),
        Err(error) => Some(format!("whether the keys there open the secrets of agents cannot be looked at: {}", chain(&error))),
    })
}

/// Takes everything out of a backup, and compares it on the way.
fn extract(from: &Path, staging: &Path, media: &Path, progress: &mut Progress) -> Result<Manifest, Failure> {
    let mut taker = Extract { staging, media, open: None };
    let mut done = 0;
    let found = read::read(from, &mut taker, &mut |bytes| {
        done += bytes;
        progress.say(|| size(done));
    });
    let found = found.map_err(|error| {
        let message = format!("{} cannot be copied to {}", from.display(), staging.display());
        Failure::new(Exit::Failure, message).because(error)
    })?;
    if !found.is_backup {
        let what = found.problems.join("; ");
        return Err(Failure::new(Exit::Damaged, format!("nothing is restored of {}: {what}", from.display())));
    }
    match (found.problems.first(), found.manifest) {
        (None, Some(manifest)) => Ok(manifest),
        (problem, _) => {
            let what = problem.map_or("it says nothing of itself", String::as_str);
            let message = format!("{} is damaged, and nothing is restored: {what} (`doolittle verify --backup` tells all)", from.display());
            Err(Failure::new(Exit::Damaged, message))
        }
    }
}

/// Puts files where they will be, below the directory that is being made.
struct Extract<'a> {
    staging: &'a Path,
    media: &'a Path,
    open: Option<File>,
}

impl Taker for Extract<'_> {
    fn begin(&mut self, name: &str) -> io::Result<()> {
        let path = match stage::media_name(name) {
            Some(name) => self.staging.join(self.media).join(stage::media_path(name)),
            None if name == wiring::DATABASE => self.staging.join(UNFINISHED),
            None => self.staging.join(name),
        };
        if let Some(parent) = path.parent() {
            stage::directory(parent)?;
        }
        self.open = Some(stage::new_file(&path)?);
        Ok(())
    }

    fn piece(&mut self, piece: &[u8]) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |file| file.write_all(piece))
    }

    fn end(&mut self) -> io::Result<()> {
        self.open.take().map_or(Ok(()), |file| file.sync_all())
    }
}

/// Brings files into a store that is elsewhere. What it has already is the same, since names are never used twice.
async fn bring(store: &dyn MediaStore, manifest: &Manifest, files: &Path) -> io::Result<()> {
    for entry in &manifest.files {
        let Some(name) = stage::media_name(&entry.name) else { continue };
        if store.metadata(name).await.map_err(|error| told(&error))?.is_none_or(|stored| stored.size != entry.bytes) {
            store_file(store, name, &files.join(stage::media_path(name)), None).await?;
        }
    }
    Ok(())
}

/// Takes what is missing from another media directory.
async fn fetch(store: &dyn MediaStore, known: &[KnownFile], others: &Path) -> io::Result<()> {
    for file in known {
        let path = others.join(stage::media_path(file.name));
        if store.metadata(file.name).await.map_err(|error| told(&error))?.is_none() && path.is_file() {
            store_file(store, file.name, &path, Some(file.sha256)).await?;
        }
    }
    Ok(())
}

/// Stores a file, unless it has not the sum that it should.
async fn store_file(store: &dyn MediaStore, name: MediaName, path: &Path, sum: Option<[u8; 32]>) -> io::Result<()> {
    let mut writer = store.create(name).await.map_err(|error| told(&error))?;
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    loop {
        let mut piece = vec![0; 1 << 18];
        let read = io::Read::read(&mut file, &mut piece)?;
        if read == 0 {
            break;
        }
        piece.truncate(read);
        hash.update(&piece);
        writer.write(Bytes::from(piece)).await.map_err(|error| told(&error))?;
    }
    // What is not finished is not stored; that it is missing is told in the end.
    if sum.is_none_or(|sum| hash.finalize().as_slice() == sum) { writer.finish().await.map_err(|error| told(&error)) } else { Ok(()) }
}

/// Moves what is at the place aside, or takes away the lock that is all there is.
fn give_way(data_dir: &Path, target: &Target) -> Result<Option<PathBuf>, Failure> {
    let failed = unwritable(data_dir);
    if target.replaces {
        let stamp = super::backup::name(SystemClock.now()).replace("doolittle", "before-restore");
        let aside = data_dir.with_added_extension(stamp);
        if aside.symlink_metadata().is_ok() {
            return Err(Failure::new(Exit::Failure, format!("{} is there already; try again", aside.display())));
        }
        fs::rename(data_dir, &aside).map_err(&failed)?;
        return Ok(Some(aside));
    }
    if data_dir.is_dir() {
        // Nothing but the lock; where something has come meanwhile, this fails.
        let lock = data_dir.join(lock::FILE);
        if lock.exists() {
            fs::remove_file(lock).map_err(&failed)?;
        }
        fs::remove_dir(data_dir).map_err(&failed)?;
    }
    Ok(None)
}

/// Makes the names of all files survive a power cut.
fn sync_all(root: &Path) -> io::Result<()> {
    for entry in root.read_dir()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        }
    }
    stage::sync(root)
}

/// What is being made. Dropped before it has its own name, it leaves nothing.
struct Staging(PathBuf);

impl Staging {
    /// Makes a directory beside what it will be. Only what was made here is removed in the end.
    fn begin(data_dir: &Path) -> Result<Self, Failure> {
        let path = stage::partial(data_dir).map_err(unwritable(data_dir))?;
        stage::new_directory(&path).map_err(unwritable(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After the end it is not there any more.
        let _ = fs::remove_dir_all(&self.0);
    }
}

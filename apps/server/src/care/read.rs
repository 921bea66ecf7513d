//! Reading a backup through, whole, and comparing it with what it says of itself.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::manifest::{Entry, FILE, Manifest, SUM_FILE};
use super::{stage, tape};
use crate::exit::{Exit, Failure};
use crate::{secret_key, wiring};

/// The most bytes of a manifest: a million files.
const MANIFEST: u64 = 1 << 28;
/// Bytes that are read at once.
const PIECE: usize = 1 << 18;

/// What was found in a backup.
#[derive(Debug)]
pub struct Found {
    /// What it says of itself; `None` where that is damaged or missing.
    pub manifest: Option<Manifest>,
    /// What is wrong with it.
    pub problems: Vec<String>,
    /// What is no part of it.
    pub strangers: Vec<String>,
    /// Whether anything in it is of a backup at all.
    pub is_backup: bool,
}

/// What is read, for those who have named something else.
pub const SHAPE: &str = "a backup is a directory with manifest.json, manifest.sha256 and doolittle.db in it, or a .tar of these, as \
                         `doolittle backup --to PATH` makes it";

/// Refuses a path at which nothing is; `option` is what named it.
pub fn must_exist(path: &Path, option: &str) -> Result<(), Failure> {
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Failure::new(Exit::Usage, format!("{option}: there is no {}; {SHAPE}", path.display())))
        }
        // Whatever else is wrong is told by whoever reads it.
        _ => Ok(()),
    }
}

/// Who gets the files, each in pieces. Names are those that a backup may have, and lead nowhere else.
pub trait Taker {
    /// A file begins.
    fn begin(&mut self, name: &str) -> io::Result<()>;
    /// A piece of it.
    fn piece(&mut self, piece: &[u8]) -> io::Result<()>;
    /// It ends.
    fn end(&mut self) -> io::Result<()>;
}

/// Takes nothing; what is read is only compared.
pub struct Nobody;

impl Taker for Nobody {
    fn begin(&mut self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn piece(&mut self, _piece: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads everything. An error is the taker's or that there is nothing to read; whatever is wrong with the backup is in the answer.
pub fn read(path: &Path, taker: &mut dyn Taker, progress: &mut dyn FnMut(u64)) -> io::Result<Found> {
    if path.is_dir() { directory(path, taker, progress) } else { archive(File::open(path)?, taker, progress) }
}

/// Whether a backup may have a file of this name.
fn belongs(name: &str) -> bool {
    name == wiring::DATABASE || name == secret_key::FILE || stage::media_name(name).is_some()
}

/// What is said of something in which nothing is of a backup.
fn no_backup(path: &Path) -> String {
    let entries = path.read_dir().into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    // The newest, where their names say when they were made.
    let below = entries.filter(|path| path.join(FILE).is_file()).max();
    let hint = below.map_or_else(String::new, |below| format!("; {} is one", below.display()));
    format!("it is no backup: {SHAPE}{hint}")
}

fn directory(path: &Path, taker: &mut dyn Taker, progress: &mut dyn FnMut(u64)) -> io::Result<Found> {
    let mut found = Found { manifest: None, problems: Vec::new(), strangers: Vec::new(), is_backup: true };
    if [FILE, SUM_FILE].iter().all(|name| !path.join(name).exists()) {
        found.is_backup = false;
        found.problems.push(no_backup(path));
        return Ok(found);
    }
    let text = |name: &str| -> Result<String, String> {
        let mut text = String::new();
        let read = File::open(path.join(name)).and_then(|file| file.take(MANIFEST).read_to_string(&mut text));
        read.map(|_| text).map_err(|error| format!("{name} cannot be read: {error}"))
    };
    let manifest = match text(FILE).and_then(|manifest| Manifest::read(&manifest, &text(SUM_FILE)?)) {
        Ok(manifest) => manifest,
        Err(problem) => {
            found.problems.push(problem);
            return Ok(found);
        }
    };
    found.problems = manifest.flaws();
    if !found.problems.is_empty() {
        found.manifest = Some(manifest);
        return Ok(found);
    }
    for file in &manifest.files {
        if !belongs(&file.name) {
            found.problems.push(format!("{FILE} names {:?}, which is no file of a backup", file.name));
            continue;
        }
        match File::open(path.join(&file.name)) {
            Ok(mut source) => match pass(&mut source, &file.name, taker, progress)? {
                Ok(entry) => found.problems.extend(difference(file, &entry)),
                Err(error) => found.problems.push(format!("{} cannot be read: {error}", file.name)),
            },
            Err(error) => found.problems.push(format!("{} cannot be read: {error}", file.name)),
        }
    }
    found.strangers = strangers(path, &manifest)?;
    found.manifest = Some(manifest);
    Ok(found)
}

fn archive(file: File, taker: &mut dyn Taker, progress: &mut dyn FnMut(u64)) -> io::Result<Found> {
    let mut found = Found { manifest: None, problems: Vec::new(), strangers: Vec::new(), is_backup: true };
    let mut from = BufReader::with_capacity(PIECE, file);
    let (mut entries, mut texts, mut seen) = (Vec::new(), HashMap::new(), HashSet::new());
    loop {
        let next = match tape::next(&mut from) {
            Ok(Some(next)) => next,
            Ok(None) => break,
            Err(error) => {
                found.problems.push(error.to_string());
                break;
            }
        };
        if !seen.insert(next.name.clone()) {
            found.problems.push(format!("the archive has {:?} more than once", next.name));
            break;
        }
        let mut content = (&mut from).take(next.bytes);
        if [FILE, SUM_FILE].contains(&next.name.as_str()) && next.bytes <= MANIFEST {
            let mut text = Vec::new();
            content.read_to_end(&mut text)?;
            texts.insert(next.name.clone(), String::from_utf8_lossy(&text).into_owned());
        } else if belongs(&next.name) {
            match pass(&mut content, &next.name, taker, progress)? {
                Ok(entry) if entry.bytes == next.bytes => entries.push(entry),
                Ok(_) => found.problems.push(format!("{} is cut off", next.name)),
                Err(error) => found.problems.push(format!("{} cannot be read: {error}", next.name)),
            }
        } else {
            found.problems.push(format!("the archive has {:?}, which is no file of a backup", next.name));
            break;
        }
        if let Err(error) = tape::skip_padding(&mut from, next.bytes) {
            found.problems.push(error.to_string());
            break;
        }
    }
    found.is_backup = !(entries.is_empty() && texts.is_empty());
    if !found.is_backup {
        found.problems.push(format!("it is no backup, or damaged at its beginning: {SHAPE}"));
    }
    let text = |name: &str| texts.get(name).map(String::as_str).unwrap_or_default();
    match Manifest::read(text(FILE), text(SUM_FILE)) {
        Ok(manifest) => {
            found.problems.extend(manifest.flaws());
            // In the order in which they were written, each once.
            found.problems.extend(manifest.files.iter().zip(&entries).filter_map(|(named, entry)| difference(named, entry)));
            if manifest.files.len() != entries.len() {
                found.problems.push(format!("the archive has {} files, and {FILE} names {}", entries.len(), manifest.files.len()));
            }
            found.manifest = Some(manifest);
        }
        Err(_) if !found.is_backup => {}
        Err(_) if texts.is_empty() => found.problems.push(format!("there is no {FILE}: the backup was never finished, or is cut off")),
        Err(problem) => found.problems.push(problem),
    }
    Ok(found)
}

/// Hands a file on; the outer error is the taker's.
fn pass(from: &mut dyn Read, name: &str, taker: &mut dyn Taker, progress: &mut dyn FnMut(u64)) -> io::Result<io::Result<Entry>> {
    let (mut hash, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
    taker.begin(name)?;
    loop {
        let read = match from.read(&mut piece) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Err(error)),
        };
        let Some(read) = piece.get(..read).filter(|read| !read.is_empty()) else { break };
        hash.update(read);
        bytes += read.len() as u64;
        taker.piece(read)?;
        progress(read.len() as u64);
    }
    taker.end()?;
    Ok(Ok(Entry { name: name.to_owned(), bytes, sha256: hex::encode(hash.finalize()) }))
}

fn difference(named: &Entry, entry: &Entry) -> Option<String> {
    if named.name != entry.name {
        Some(format!("{} stands where {} should", entry.name, named.name))
    } else if named.bytes != entry.bytes {
        Some(format!("{} has {} bytes, and had {} when it was backed up", entry.name, entry.bytes, named.bytes))
    } else if named.sha256 != entry.sha256 {
        Some(format!("{} has changed since it was backed up", entry.name))
    } else {
        None
    }
}

/// What lies in the directory of a backup and is no part of it.
fn strangers(path: &Path, manifest: &Manifest) -> io::Result<Vec<String>> {
    let mut known: HashSet<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    known.extend([FILE, SUM_FILE]);
    let (mut strangers, mut directories) = (Vec::new(), vec![path.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in directory.read_dir()? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
                continue;
            }
            let inner = entry.path();
            let name = inner.strip_prefix(path).unwrap_or(&inner).to_string_lossy().replace('\\', "/");
            if !known.contains(name.as_str()) {
                strangers.push(name);
            }
        }
    }
    strangers.sort();
    Ok(strangers)
}

#[cfg(test)]
mod tests {
    use core_types::Timestamp;

    use super::*;
    use crate::care::write::Writer;

    #[test]
    fn an_archive_has_no_file_twice() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("twice.tar");
        let at = Timestamp::from_millis(0);
        let (mut writer, mut manifest) = (Writer::begin(&path, at).unwrap(), Manifest::new(at));
        for _ in 0..2 {
            manifest.files.push(writer.put(wiring::DATABASE, 4, |write| write(b"rows")).unwrap());
        }
        writer.finish(&manifest).unwrap();
        let found = read(&path, &mut Nobody, &mut |_| ()).unwrap();
        assert!(found.problems.iter().any(|problem| problem.contains("\"doolittle.db\" more than once")), "{:?}", found.problems);
    }
}

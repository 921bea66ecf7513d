//! Writing a backup, file by file, under a name that nobody takes for a whole one.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use core_types::Timestamp;
use sha2::{Digest as _, Sha256};

use super::manifest::{Entry, FILE, Manifest, SUM_FILE};
use super::{stage, tape};

/// The end of a name that says: one file in place of a directory.
pub const TAR: &str = "tar";

/// A backup that is being made. Dropped before its end, it leaves nothing.
pub struct Writer {
    to: PathBuf,
    partial: PathBuf,
    form: Form,
    at: Timestamp,
    whole: bool,
}

enum Form {
    /// With the directories that files were put into.
    Directory(Vec<PathBuf>),
    Tar(BufWriter<File>),
}

/// A file of it that is being written.
struct Open<'a> {
    name: String,
    bytes: u64,
    hash: Sha256,
    out: Out<'a>,
}

enum Out<'a> {
    File(File),
    Tar(&'a mut BufWriter<File>, u64),
}

impl Writer {
    /// Begins a backup that will be at `to`, where nothing may be.
    pub fn begin(to: &Path, at: Timestamp) -> io::Result<Self> {
        if to.symlink_metadata().is_ok() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something already, and nothing is overwritten"));
        }
        let partial = stage::partial(to)?;
        let form = if to.extension().is_some_and(|end| end.eq_ignore_ascii_case(TAR)) {
            Form::Tar(BufWriter::with_capacity(1 << 18, stage::new_file(&partial)?))
        } else {
            stage::new_directory(&partial)?;
            Form::Directory(Vec::new())
        };
        Ok(Self { to: to.to_owned(), partial, form, at, whole: false })
    }

    /// A path beside the backup for a file that is put into it later; for a directory, where it goes.
    pub fn aside(&self, name: &str) -> PathBuf {
        match self.form {
            Form::Directory(_) => self.partial.join(name),
            Form::Tar(_) => self.partial.with_added_extension("database"),
        }
    }

    /// Takes a file in that was written at [`aside`](Self::aside).
    pub fn adopt(&mut self, name: &str) -> io::Result<Entry> {
        let path = self.aside(name);
        let mut file = File::open(&path)?;
        if matches!(self.form, Form::Directory(_)) {
            let mut hash = Hashed { hash: Sha256::new(), bytes: 0 };
            io::copy(&mut file, &mut hash)?;
            return Ok(Entry { name: name.to_owned(), bytes: hash.bytes, sha256: hex::encode(hash.hash.finalize()) });
        }
        let bytes = file.metadata()?.len();
        let mut piece = vec![0; 1 << 18];
        let entry = self.put(name, bytes, |write| {
            loop {
                let read = io::Read::read(&mut file, &mut piece)?;
                match piece.get(..read) {
                    None | Some([]) => return Ok(()),
                    Some(read) => write(read)?,
                }
            }
        })?;
        fs::remove_file(&path)?;
        Ok(entry)
    }

    /// Puts a file of so many bytes into it, which `content` writes piece by piece.
    pub fn put(
        &mut self,
        name: &str,
        bytes: u64,
        content: impl FnOnce(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>,
    ) -> io::Result<Entry> {
        let mut open = self.open(name, bytes)?;
        content(&mut |piece| open.write(piece))?;
        open.finish(bytes)
    }

    fn open(&mut self, name: &str, bytes: u64) -> io::Result<Open<'_>> {
        let at = u64::try_from(self.at.millis() / 1_000).unwrap_or_default();
        let out = match &mut self.form {
            Form::Directory(directories) => {
                let path = self.partial.join(name);
                if let Some(parent) = path.parent().filter(|parent| !directories.iter().any(|known| known == parent)) {
                    stage::directory(parent)?;
                    directories.push(parent.to_owned());
                }
                Out::File(stage::new_file(&path)?)
            }
            Form::Tar(out) => {
                out.write_all(&tape::head(name, bytes, at)?)?;
                Out::Tar(out, bytes)
            }
        };
        Ok(Open { name: name.to_owned(), bytes: 0, hash: Sha256::new(), out })
    }

    /// Writes the manifest, syncs all, and gives the backup its name.
    pub fn finish(mut self, manifest: &Manifest) -> io::Result<()> {
        let (text, sum) = manifest.texts()?;
        for (name, text) in [(FILE, text), (SUM_FILE, sum)] {
            self.put(name, text.len() as u64, |write| write(text.as_bytes()))?;
        }
        match &mut self.form {
            Form::Directory(directories) => {
                // Names of files survive a power cut once their directories are synced, those below before those above.
                directories.sort_by_key(|directory| std::cmp::Reverse(directory.components().count()));
                directories.iter().try_for_each(|directory| stage::sync(directory))?;
                let media = self.partial.join(super::stage::MEDIA);
                if media.is_dir() {
                    stage::sync(&media)?;
                }
                stage::sync(&self.partial)?;
            }
            Form::Tar(out) => {
                tape::end(out)?;
                out.flush()?;
                out.get_ref().sync_all()?;
            }
        }
        stage::publish(&self.partial, &self.to)?;
        self.whole = true;
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.whole {
            // Its name says already that it is nothing.
            let _ =
                if matches!(self.form, Form::Directory(_)) { fs::remove_dir_all(&self.partial) } else { fs::remove_file(&self.partial) };
            let _ = fs::remove_file(self.aside(""));
        }
    }
}

impl Open<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.hash.update(piece);
        self.bytes += piece.len() as u64;
        match &mut self.out {
            Out::File(file) => file.write_all(piece),
            Out::Tar(_, expected) if self.bytes > *expected => Err(io::Error::other("a file is longer than it said")),
            Out::Tar(out, _) => out.write_all(piece),
        }
    }

    fn finish(self, expected: u64) -> io::Result<Entry> {
        let Self { name, bytes, hash, out } = self;
        if bytes != expected {
            return Err(io::Error::other(format!("{name} has {bytes} bytes, and should have {expected}")));
        }
        match out {
            Out::File(file) => file.sync_all()?,
            Out::Tar(out, _) => out.write_all(tape::padding(bytes))?,
        }
        Ok(Entry { name, bytes, sha256: hex::encode(hash.finalize()) })
    }
}

/// Counts and sums up what is written to it.
struct Hashed {
    hash: Sha256,
    bytes: u64,
}

impl io::Write for Hashed {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.hash.update(piece);
        self.bytes += piece.len() as u64;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

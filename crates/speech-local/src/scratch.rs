//! Directories for the files of jobs.

use std::io;
use std::path::{Path, PathBuf};

use core_types::media::{HeldFile, MediaStoreError};
use core_types::models::ModelError;
use core_types::speech::SpeechError;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

/// The directory in which jobs have theirs.
#[derive(Debug, Clone)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Takes the directory over: creates it for its owner alone, or empties it of what a crash left. Blocks.
    pub(crate) fn take(directory: &Path) -> io::Result<Self> {
        match std::fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(directory)?;
        // Programs run elsewhere, so a relative path would lead nowhere.
        Ok(Self(directory.canonicalize()?))
    }

    /// A directory for one job, which goes when this is dropped.
    pub(crate) async fn desk(&self, engine: &str) -> Result<Desk, SpeechError> {
        let parent = self.0.clone();
        let made = tokio::task::spawn_blocking(move || tempfile::Builder::new().prefix("job").tempdir_in(parent)).await;
        let directory =
            made.map_err(io::Error::other).flatten().map_err(|error| failed(engine, "no directory can be made for it", &error))?;
        Ok(Desk { directory, engine: engine.to_owned() })
    }
}

/// The directory of one job.
#[derive(Debug)]
pub(crate) struct Desk {
    directory: TempDir,
    engine: String,
}

impl Desk {
    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A file in it, of a name that we give.
    pub(crate) fn file(&self, name: &'static str) -> PathBuf {
        self.path().join(name)
    }

    /// Puts these bytes into a file.
    pub(crate) async fn put(&self, name: &'static str, bytes: &[u8]) -> Result<PathBuf, SpeechError> {
        let path = self.file(name);
        tokio::fs::write(&path, bytes).await.map_err(|error| self.failed("its text cannot be written", &error))?;
        Ok(path)
    }

    /// Puts a recording into a file, piece by piece.
    pub(crate) async fn receive(&self, name: &'static str, mut recording: HeldFile) -> Result<PathBuf, SpeechError> {
        let path = self.file(name);
        let mut file = tokio::fs::File::create(&path).await.map_err(|error| self.failed("the recording cannot be written", &error))?;
        while let Some(piece) =
            recording.reader.next().await.map_err(|error: MediaStoreError| self.failed("the recording cannot be read", &error))?
        {
            file.write_all(&piece).await.map_err(|error| self.failed("the recording cannot be written", &error))?;
        }
        file.flush().await.map_err(|error| self.failed("the recording cannot be written", &error))?;
        Ok(path)
    }

    fn failed(&self, what: &str, error: &dyn std::error::Error) -> SpeechError {
        failed(&self.engine, what, error)
    }
}

/// A failure of this machine, whose cause is for the log alone.
pub(crate) fn failed(engine: &str, what: &str, error: &dyn std::error::Error) -> SpeechError {
    log::error!("{engine}: {what}: {}", core_types::error::chain(error));
    broken(engine, what).into()
}

/// The engine did not give what it should.
pub(crate) fn broken(engine: &str, what: &str) -> ModelError {
    ModelError::Unreadable { provider: engine.to_owned(), message: what.to_owned() }
}

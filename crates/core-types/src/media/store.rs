//! Where the bytes of files are kept, and where what is known of them is.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use derive_more::{Display, Error};

use super::{MediaFile, MediaName};
use crate::error::Source;
use crate::messaging::IdempotencyKey;
use crate::{MediaId, StoreResult, Timestamp};

/// Why a store of files did not do what it was asked. A missing file is not a failure but `None`.
#[derive(Debug, Display, Error)]
pub enum MediaStoreError {
    /// The store cannot be reached; the same call may succeed later.
    #[display("the media store is not available")]
    Unavailable(#[error(source)] Source),
    /// The store has no room left or cannot be written.
    #[display("the media store cannot be written")]
    ReadOnly(#[error(source)] Source),
    /// What is stored is not what was written, or the store refused what it should do: a defect.
    #[display("the media store failed")]
    Defect(#[error(source)] Source),
}

/// The answer of a store of files.
pub type MediaStoreResult<T> = Result<T, MediaStoreError>;

/// A file as the store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredMedia {
    /// Its name.
    pub name: MediaName,
    /// Its bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub written_at: Timestamp,
}

/// Keeps the bytes of files by their names. A name is used once: what it names never changes.
#[async_trait]
pub trait MediaStore: Send + Sync {
    /// What kind of store it is and where, for a person; never with a credential.
    fn describe(&self) -> String;

    /// Begins a file. Nobody sees it before [`MediaWriter::finish`].
    async fn create(&self, name: MediaName) -> MediaStoreResult<Box<dyn MediaWriter>>;

    /// Opens a part of a file: `range` counts bytes from the beginning and lies within the file. `None` where there is no
    /// such file.
    async fn open(&self, name: MediaName, range: Range<u64>) -> MediaStoreResult<Option<Box<dyn MediaReader>>>;

    /// What the store knows of a file.
    async fn metadata(&self, name: MediaName) -> MediaStoreResult<Option<StoredMedia>>;

    /// Removes a file; `false` where there is none. Who reads it already may read on or be cut off.
    async fn remove(&self, name: MediaName) -> MediaStoreResult<bool>;

    /// The files after this name, or from the first, in the order of their names; at most `limit`, fewer only at the end.
    async fn list(&self, after: Option<MediaName>, limit: usize) -> MediaStoreResult<Vec<StoredMedia>>;

    /// Removes what was begun before this moment, by the store's clock, and neither finished nor removed, as a crash leaves
    /// it; returns how many. A store that does this by itself answers 0.
    async fn sweep(&self, before: Timestamp) -> MediaStoreResult<usize>;
}

/// Writes one file. Dropped before its end, it leaves nothing.
#[async_trait]
pub trait MediaWriter: Send {
    /// Adds a piece. It waits where the store is slower than the sender.
    async fn write(&mut self, piece: Bytes) -> MediaStoreResult<()>;

    /// Ends the file; when this returns it survives a crash.
    async fn finish(self: Box<Self>) -> MediaStoreResult<()>;
}

/// Reads a part of one file.
#[async_trait]
pub trait MediaReader: Send {
    /// The next piece, not empty; `None` at the end of the part. A file that ends before is a defect, not an end.
    async fn next(&mut self) -> MediaStoreResult<Option<Bytes>>;
}

/// What became of a file with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaAdded {
    /// It is stored.
    New,
    /// The key is that of this file, which was sent with the same body. Nothing was written.
    Repeats(MediaFile),
    /// The key was used with another body. Nothing was written.
    OtherBody,
}

/// Where what is known of files is kept. Every method is one transaction.
#[async_trait]
pub trait MediaRepository: Send + Sync {
    /// Stores what is known of a file, whose id must be new.
    async fn add(&self, file: MediaFile) -> StoreResult<()>;

    /// The same under a key, which is kept in the same transaction. Where it is that of a file that was forgotten since, this one
    /// takes its place.
    async fn add_once(&self, file: MediaFile, key: IdempotencyKey) -> StoreResult<MediaAdded>;

    /// One file.
    async fn find(&self, id: MediaId) -> StoreResult<Option<MediaFile>>;

    /// Forgets a file; `false` where it was not known.
    async fn remove(&self, id: MediaId) -> StoreResult<bool>;

    /// Which of these files are known.
    async fn known(&self, ids: Vec<MediaId>) -> StoreResult<Vec<MediaId>>;

    /// The files from before this moment whose agent or channel does not exist, oldest first, at most `limit`.
    async fn orphans(&self, before: Timestamp, limit: u32) -> StoreResult<Vec<MediaFile>>;
}

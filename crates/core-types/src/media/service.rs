//! What a transport can do with files.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

use super::{MediaFile, MediaName, MediaPlace, MediaReader, MediaType};
use crate::{Caller, ServiceResult};

/// What the sender of a file says about it. None of it is believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UploadHead {
    /// The type that it should have; none where the sender does not know.
    pub declared_type: Option<String>,
    /// What the sender calls it.
    pub file_name: Option<String>,
    /// The sender's `Idempotency-Key`: the same file again, to the same place, is the first one.
    pub idempotency_key: Option<String>,
}

/// Takes files and gives them out.
#[async_trait]
pub trait MediaService: Send + Sync {
    /// Begins to take a file. Where the declared type is not taken at all, fails before the first byte.
    async fn begin(&self, caller: &Caller, head: UploadHead) -> ServiceResult<Box<dyn Upload>>;

    /// What is known of the file with this name in this place. Whoever has the name may read the file: it cannot be guessed,
    /// and a page that shows a picture sends no key.
    async fn find(&self, place: MediaPlace, name: MediaName) -> ServiceResult<MediaFile>;

    /// Reads a part of a file; `range` lies within it.
    async fn read(&self, file: &MediaFile, range: Range<u64>) -> ServiceResult<Box<dyn MediaReader>>;
}

/// A file that is being taken. Dropped before it is kept, it leaves nothing.
#[async_trait]
pub trait Upload: Send {
    /// The next bytes. Fails once the file is too large, or is not what it was declared to be.
    async fn write(&mut self, piece: Bytes) -> ServiceResult<()>;

    /// Ends the file and puts it into its place; when this returns it survives a crash. Where its key is that of another file, or
    /// of another place, it is a `Conflict`.
    async fn keep(self: Box<Self>, place: MediaPlace) -> ServiceResult<KeptFile>;

    /// Ends the file without a place, to be worked on and forgotten.
    async fn hold(self: Box<Self>) -> ServiceResult<HeldFile>;
}

/// A file in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFile {
    /// What is known of it.
    pub file: MediaFile,
    /// Whether it was there before, under the same key.
    pub repeated: bool,
}

/// A file that nobody will ask for again: it is read once, and is gone when its reader is dropped.
pub struct HeldFile {
    /// What it was found to be.
    pub media_type: MediaType,
    /// Its bytes, at least one.
    pub size: u64,
    /// Reads it from its beginning.
    pub reader: Box<dyn MediaReader>,
}

//! What messages have attached, read for a model.

use async_trait::async_trait;
use bytes::Bytes;
use derive_more::{Display, Error};

use super::{MediaClass, MediaType};

/// What an attachment has in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachmentContent {
    /// A file that is no text.
    File {
        /// Its type, by its bytes.
        media_type: MediaType,
        /// Its bytes.
        bytes: Bytes,
    },
    /// A text, or the text of a document: as much of it as there may be, from its beginning.
    Text(String),
}

/// How much of an attachment is read, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttachmentLimits {
    /// The largest image, and whatever else is no text.
    pub file: usize,
    /// The largest text; of the text of a document no more than this is taken.
    pub text: usize,
    /// The largest document that is not text.
    pub document: usize,
}

impl AttachmentLimits {
    /// The most bytes of something of this type.
    pub const fn of(self, media_type: MediaType) -> usize {
        match (media_type, media_type.class()) {
            (MediaType::Text, _) => self.text,
            (_, MediaClass::Document) => self.document,
            (_, MediaClass::Image | MediaClass::Audio | MediaClass::Video) => self.file,
        }
    }
}

/// Why an attachment cannot be read, for a person or a model.
#[derive(Debug, Clone, PartialEq, Eq, Display, Error)]
#[display("{message}")]
pub struct AttachmentUnreadable {
    /// What is wrong with it.
    #[error(not(source))]
    pub message: String,
}

/// Reads attachments: our own files from their store, others from where they are, if that is a public place.
#[async_trait]
pub trait AttachmentReader: Send + Sync {
    /// What is at an address. Fails where that is larger than it may be, is of no type that is read, or cannot be had.
    async fn read(&self, url: &str, limits: AttachmentLimits) -> Result<AttachmentContent, AttachmentUnreadable>;
}

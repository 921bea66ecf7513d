//! What messages have attached, read for a model.

use async_trait::async_trait;
use bytes::Bytes;
use derive_more::{Display, Error};

use super::MediaType;

/// What an attachment was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentContent {
    /// Its type, by its bytes.
    pub media_type: MediaType,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Why an attachment cannot be read, for a person.
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
    /// What is at an address; fails where that has more than `limit` bytes, is of no type that is taken, or cannot be had.
    async fn read(&self, url: &str, limit: usize) -> Result<AttachmentContent, AttachmentUnreadable>;
}

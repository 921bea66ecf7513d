//! Attachments of messages, read for a model.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use core_types::error::chain;
use core_types::fetch::Fetcher;
use core_types::media::{
    AttachmentContent, AttachmentReader, AttachmentUnreadable, MediaFile, MediaPlace, MediaRepository, MediaStore, MediaStoreResult,
    MediaType,
};

use super::sniff;

/// Reads attachments: our own files from their store, others from where they are.
pub struct Attachments {
    /// Where what is known of files is kept.
    pub media: Arc<dyn MediaRepository>,
    /// Where their bytes are.
    pub store: Arc<dyn MediaStore>,
    /// Gets what is elsewhere.
    pub fetcher: Arc<dyn Fetcher>,
}

#[async_trait]
impl AttachmentReader for Attachments {
    async fn read(&self, url: &str, limit: usize) -> Result<AttachmentContent, AttachmentUnreadable> {
        match MediaPlace::of_url(url) {
            Some((place, name)) => {
                let found = self.media.find(name.id()).await.map_err(|error| unreadable(chain(&error)))?;
                match found.filter(|file| file.place == place && file.name() == name) {
                    Some(file) => self.own(&file, limit).await,
                    None if url.starts_with('/') => Err(unreadable("there is no such file")),
                    None => self.foreign(url, limit).await,
                }
            }
            None => self.foreign(url, limit).await,
        }
    }
}

impl Attachments {
    async fn own(&self, file: &MediaFile, limit: usize) -> Result<AttachmentContent, AttachmentUnreadable> {
        if file.size > limit as u64 {
            return Err(unreadable(format!("there is more than {limit} bytes")));
        }
        let bytes = self.bytes(file).await.map_err(|error| unreadable(chain(&error)))?;
        let bytes = bytes.ok_or_else(|| unreadable("the file is not in its store"))?;
        Ok(AttachmentContent { media_type: file.media_type, bytes })
    }

    async fn bytes(&self, file: &MediaFile) -> MediaStoreResult<Option<Bytes>> {
        let Some(mut reader) = self.store.open(file.name(), 0..file.size).await? else { return Ok(None) };
        let mut bytes = BytesMut::new();
        while let Some(piece) = reader.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(Some(bytes.freeze()))
    }

    async fn foreign(&self, url: &str, limit: usize) -> Result<AttachmentContent, AttachmentUnreadable> {
        let fetched = self.fetcher.fetch(url, limit).await.map_err(|error| unreadable(error.to_string()))?;
        let media_type = foreign_type(&fetched.content_type, &fetched.bytes)?;
        Ok(AttachmentContent { media_type, bytes: fetched.bytes })
    }
}

/// What something from elsewhere is. Senders call text by many names; a page is none that a model should read as it is.
fn foreign_type(declared: &str, bytes: &Bytes) -> Result<MediaType, AttachmentUnreadable> {
    let declared = declared.to_ascii_lowercase();
    if declared.starts_with("text/html") || declared.starts_with("application/xhtml") {
        return Err(unreadable("it is a web page"));
    }
    let head = bytes.get(..sniff::HEAD).unwrap_or(bytes);
    let found = sniff::media_type(None, head).map_err(|_| unreadable("it is of a type that is not read"))?;
    let whole_text = || {
        let mut check = sniff::TextCheck::default();
        check.takes(bytes) && check.may_end()
    };
    if found == MediaType::Text && !whole_text() { Err(unreadable("it is no text in UTF-8")) } else { Ok(found) }
}

fn unreadable(message: impl Into<String>) -> AttachmentUnreadable {
    AttachmentUnreadable { message: message.into() }
}

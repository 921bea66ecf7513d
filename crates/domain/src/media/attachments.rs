//! Attachments of messages, read for a model.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use core_types::error::chain;
use core_types::fetch::Fetcher;
use core_types::knowledge::{DocumentReader, Format, UnreadableDocument};
use core_types::media::{
    AttachmentContent, AttachmentLimits, AttachmentReader, AttachmentUnreadable, MediaFile, MediaPlace, MediaRepository, MediaStore,
    MediaStoreResult, MediaType,
};
use tokio::sync::Semaphore;

use super::sniff;

/// Documents that are held at once; others wait, and are not in memory meanwhile.
const DOCUMENTS: usize = 4;

/// What a zip file begins with, such as a DOCX.
const ZIP: &[u8] = b"PK\x03\x04";

/// What attachments are read by.
pub struct AttachmentPorts {
    /// Where what is known of files is kept.
    pub media: Arc<dyn MediaRepository>,
    /// Where their bytes are.
    pub store: Arc<dyn MediaStore>,
    /// Gets what is elsewhere.
    pub fetcher: Arc<dyn Fetcher>,
    /// Takes the text out of documents.
    pub documents: Arc<dyn DocumentReader>,
}

/// Reads attachments: our own files from their store, others from where they are.
pub struct Attachments {
    ports: AttachmentPorts,
    places: Semaphore,
}

/// What something is, as far as it is read.
enum Kind {
    /// A file of a type that is taken; of PDF the text is read.
    Media(MediaType),
    /// A DOCX, which is no such file.
    Docx,
}

#[async_trait]
impl AttachmentReader for Attachments {
    async fn read(&self, url: &str, limits: AttachmentLimits) -> Result<AttachmentContent, AttachmentUnreadable> {
        match MediaPlace::of_url(url) {
            Some((place, name)) => {
                let found = self.ports.media.find(name.id()).await.map_err(|error| failed(&error))?;
                match found.filter(|file| file.place == place && file.name() == name) {
                    Some(file) => self.own(&file, limits).await,
                    None if url.starts_with('/') => Err(unreadable("there is no such file")),
                    None => self.foreign(url, limits).await,
                }
            }
            None => self.foreign(url, limits).await,
        }
    }
}

impl Attachments {
    /// A reader over these ports.
    pub fn new(ports: AttachmentPorts) -> Self {
        Self { ports, places: Semaphore::new(DOCUMENTS) }
    }

    async fn own(&self, file: &MediaFile, limits: AttachmentLimits) -> Result<AttachmentContent, AttachmentUnreadable> {
        let limit = limits.of(file.media_type);
        if file.size > limit as u64 {
            return Err(too_large(limit));
        }
        // Before there is anything in memory. Closed never.
        let _place = if file.media_type == MediaType::Pdf { self.places.acquire().await.ok() } else { None };
        let bytes = self.bytes(file).await.map_err(|error| failed(&error))?;
        let bytes = bytes.ok_or_else(|| unreadable("the file is not in its store"))?;
        self.content(Kind::Media(file.media_type), bytes, limits).await
    }

    async fn bytes(&self, file: &MediaFile) -> MediaStoreResult<Option<Bytes>> {
        let Some(mut reader) = self.ports.store.open(file.name(), 0..file.size).await? else { return Ok(None) };
        let mut bytes = BytesMut::new();
        while let Some(piece) = reader.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(Some(bytes.freeze()))
    }

    async fn foreign(&self, url: &str, limits: AttachmentLimits) -> Result<AttachmentContent, AttachmentUnreadable> {
        // What it is is known when it is here, so that whatever may be a document counts as one until then.
        let most = if may_be_document(url) { limits.document } else { limits.file.max(limits.text) };
        let _place = if may_be_document(url) { self.places.acquire().await.ok() } else { None };
        let fetched = self.ports.fetcher.fetch(url, most).await.map_err(|error| unreadable(error.to_string()))?;
        let kind = foreign_kind(&fetched.content_type, &fetched.bytes)?;
        let limit = match kind {
            Kind::Media(media_type) => limits.of(media_type),
            Kind::Docx => limits.document,
        };
        if fetched.bytes.len() > limit {
            return Err(too_large(limit));
        }
        self.content(kind, fetched.bytes, limits).await
    }

    async fn content(&self, kind: Kind, bytes: Bytes, limits: AttachmentLimits) -> Result<AttachmentContent, AttachmentUnreadable> {
        match kind {
            Kind::Media(MediaType::Text) => Ok(AttachmentContent::Text(String::from_utf8_lossy(&bytes).into_owned())),
            Kind::Media(MediaType::Pdf) => self.text(Format::Pdf, bytes, limits.text).await,
            Kind::Docx => self.text(Format::Docx, bytes, limits.text).await,
            Kind::Media(media_type) => Ok(AttachmentContent::File { media_type, bytes }),
        }
    }

    /// The beginning of a document's text.
    async fn text(&self, format: Format, source: Bytes, limit: usize) -> Result<AttachmentContent, AttachmentUnreadable> {
        let mut text = match self.ports.documents.read(format, source).await {
            Ok(document) => document.text,
            Err(UnreadableDocument::Failed(error)) => {
                log::error!("a document cannot be read: {}", chain(error.as_ref()));
                return Err(unreadable("it cannot be read at present"));
            }
            Err(broken @ (UnreadableDocument::Broken { .. } | UnreadableDocument::TooLong)) => return Err(unreadable(broken.to_string())),
        };
        if text.trim().is_empty() {
            return Err(unreadable("there is no text in it; it may be a scan"));
        }
        text.truncate(text.floor_char_boundary(limit));
        text.shrink_to_fit();
        Ok(AttachmentContent::Text(text))
    }
}

/// Whether an address calls itself a document that is not text.
fn may_be_document(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    matches!(Format::of_file(path), Some(Format::Pdf | Format::Docx))
}

/// What something from elsewhere is. Senders call text by many names; a page is none that a model should read as it is.
fn foreign_kind(declared: &str, bytes: &Bytes) -> Result<Kind, AttachmentUnreadable> {
    let declared = declared.to_ascii_lowercase();
    if declared.starts_with("text/html") || declared.starts_with("application/xhtml") {
        return Err(unreadable("it is a web page"));
    }
    let head = bytes.get(..sniff::HEAD).unwrap_or(bytes);
    let Ok(found) = sniff::media_type(None, head) else {
        // Whether it is one, its reader will say.
        let is_docx = head.starts_with(ZIP) && Format::of_media_type(&declared) == Some(Format::Docx);
        return if is_docx { Ok(Kind::Docx) } else { Err(unreadable("it is of a type that is not read")) };
    };
    let whole_text = || {
        let mut check = sniff::TextCheck::default();
        check.takes(bytes) && check.may_end()
    };
    if found == MediaType::Text && !whole_text() { Err(unreadable("it is no text in UTF-8")) } else { Ok(Kind::Media(found)) }
}

/// What went wrong here is for the log; whoever asked learns that it did.
fn failed(error: &(dyn std::error::Error + 'static)) -> AttachmentUnreadable {
    log::error!("an attachment cannot be read: {}", chain(error));
    unreadable("it cannot be read at present")
}

fn too_large(limit: usize) -> AttachmentUnreadable {
    unreadable(format!("it has more than {limit} bytes"))
}

fn unreadable(message: impl Into<String>) -> AttachmentUnreadable {
    AttachmentUnreadable { message: message.into() }
}

//! Takes the text out of documents that are not text: PDF and DOCX.
//!
//! Such files come from anybody, and what reads them panics, recurses or unpacks without an end on one that was made for it.
//! So [`Isolated`] reads each in a process of its own, with bounds on its memory and its time, and a file that breaks the
//! reader breaks nothing else. The process is this same program, which then calls [`serve`]. [`InProcess`] reads right here,
//! for programs that trust their documents.

mod docx;
mod isolated;
mod pdf;

use async_trait::async_trait;
use bytes::Bytes;
use core_types::knowledge::{DocumentReader, DocumentText, Format, TEXT_LIMIT, UnreadableDocument};

pub use isolated::{Isolated, VERB, serve};

/// Reads documents in this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct InProcess;

#[async_trait]
impl DocumentReader for InProcess {
    async fn read(&self, format: Format, source: Bytes) -> Result<DocumentText, UnreadableDocument> {
        let reading = tokio::task::spawn_blocking(move || text_of(format, &source));
        // Where the reader panicked, the document made it.
        reading.await.unwrap_or_else(|_panicked| Err(broken(format)))
    }
}

/// The text of a document.
fn text_of(format: Format, source: &[u8]) -> Result<DocumentText, UnreadableDocument> {
    let text = match format {
        Format::Pdf => pdf::read(source)?,
        Format::Docx => docx::read(source)?,
        Format::Text | Format::Markdown | Format::Html => {
            return Err(UnreadableDocument::Broken { message: "it is text already".to_owned() });
        }
    };
    if text.text.len() > TEXT_LIMIT { Err(UnreadableDocument::TooLong) } else { Ok(text) }
}

fn broken(format: Format) -> UnreadableDocument {
    UnreadableDocument::Broken { message: format!("it is no {} document that can be read", format.name()) }
}

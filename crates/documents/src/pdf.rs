//! PDF.

use core_types::knowledge::{DocumentText, Format, UnreadableDocument};
use pdf_extract::{Document, Error, Object, PlainTextOutput, decode_text_string, output_doc};

use crate::broken;

/// The text of a PDF, page after page. One that needs a password is not read.
pub(crate) fn read(source: &[u8]) -> Result<DocumentText, UnreadableDocument> {
    if !source.get(..source.len().min(1_024)).unwrap_or_default().windows(5).any(|bytes| bytes == b"%PDF-") {
        return Err(broken(Format::Pdf));
    }
    let mut document = Document::load_mem(source).map_err(|_| broken(Format::Pdf))?;
    if document.is_encrypted() {
        // Many are encrypted under no password at all, against printing.
        document.decrypt("").map_err(|error| match error {
            Error::Decryption(_) => UnreadableDocument::Broken { message: "it needs a password".to_owned() },
            _ => broken(Format::Pdf),
        })?;
    }
    let mut text = String::new();
    output_doc(&document, &mut PlainTextOutput::new(&mut text)).map_err(|_| broken(Format::Pdf))?;
    Ok(DocumentText { text, title: title(&document), headings: false })
}

/// The title that the document gives itself, where that is readable.
fn title(document: &Document) -> Option<String> {
    let info = document.trailer.get(b"Info").ok()?;
    let info = match info {
        Object::Reference(id) => document.get_dictionary(*id).ok()?,
        other => other.as_dict().ok()?,
    };
    let title = decode_text_string(info.get(b"Title").ok()?).ok()?;
    Some(title.trim().to_owned()).filter(|title| !title.is_empty())
}

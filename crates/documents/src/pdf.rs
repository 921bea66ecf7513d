//! PDF.

use core_types::knowledge::{DocumentText, Format, UnreadableDocument};
use pdf_extract::{Document, Object, OutputError};

use crate::broken;

/// The text of a PDF, page after page. One that needs a password is not read.
pub(crate) fn read(source: &[u8]) -> Result<DocumentText, UnreadableDocument> {
    if !source.get(..source.len().min(1_024)).unwrap_or_default().windows(5).any(|bytes| bytes == b"%PDF-") {
        return Err(broken(Format::Pdf));
    }
    let document = Document::load_mem(source).map_err(|_| broken(Format::Pdf))?;
    let title = title(&document);
    drop(document);
    let text = pdf_extract::extract_text_from_mem(source).map_err(|error| match error {
        OutputError::PdfError(pdf_extract::Error::Decryption(_)) => {
            UnreadableDocument::Broken { message: "it needs a password".to_owned() }
        }
        _ => broken(Format::Pdf),
    })?;
    Ok(DocumentText { text, title, headings: false })
}

/// The title that the document gives itself, where that is readable.
fn title(document: &Document) -> Option<String> {
    let info = document.trailer.get(b"Info").ok()?;
    let info = match info {
        Object::Reference(id) => document.get_dictionary(*id).ok()?,
        other => other.as_dict().ok()?,
    };
    let title = pdf_extract::decode_text_string(info.get(b"Title").ok()?).ok()?;
    Some(title.trim().to_owned()).filter(|title| !title.is_empty())
}

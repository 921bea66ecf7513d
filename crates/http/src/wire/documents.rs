//! Documents on the wire.

use core_types::JsonObject;
use core_types::knowledge::{AddedDocument, Format, NewDocument};
use core_types::memory::Memory;
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::Fields;
use crate::limits::{NAME_CHARS, TITLE_CHARS};
use crate::wire::memories::MemoryWire;

/// Documents of an agent, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct DocumentList<'a> {
    documents: Vec<MemoryWire<'a>>,
}

impl<'a> DocumentList<'a> {
    /// These documents.
    pub(crate) fn of(documents: &'a [Memory]) -> Self {
        Self { documents: documents.iter().map(MemoryWire::from).collect() }
    }
}

/// A document that was handed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct AddedWire<'a> {
    document: MemoryWire<'a>,
    /// Whether the agent had it already; it is unchanged then.
    existing: bool,
}

impl<'a> From<&'a AddedDocument> for AddedWire<'a> {
    fn from(added: &'a AddedDocument) -> Self {
        Self { document: MemoryWire::from(&added.document), existing: added.existing }
    }
}

/// A document to be handed in.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewDocument)]
#[expect(dead_code, reason = "the schema of what `new_document` reads")]
pub(crate) struct NewDocumentBody {
    /// All of it.
    #[schema(min_length = 1, example = "The gate opens at nine.")]
    content: String,
    /// `text/plain` where absent, `text/markdown` or `text/html`.
    #[schema(max_length = 256, example = "text/plain")]
    content_type: Option<String>,
    /// What it is called; an HTML document may say so itself.
    #[schema(max_length = 512, example = "Opening hours")]
    title: Option<String>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
}

/// Reads a document. How large it may be follows from the bound of bodies.
pub(crate) fn new_document(body: JsonObject) -> ApiResult<NewDocument> {
    let mut fields = Fields::new(body);
    let source = fields.required_text(&["content", "text"], usize::MAX)?;
    let kind = fields.text(&["contentType", "content_type"], NAME_CHARS)?;
    Ok(NewDocument {
        title: fields.text(&["title", "name", "filename"], TITLE_CHARS)?,
        format: kind.map_or(Ok(Format::Text), |kind| text_format(&kind))?,
        source: source.into(),
        metadata: fields.object(&["metadata"])?.unwrap_or_default(),
    })
}

/// The format of a media type, of those that are text; its parameters do not count, since JSON has an encoding of its own.
fn text_format(kind: &str) -> ApiResult<Format> {
    match Format::of_media_type(kind) {
        Some(format @ (Format::Text | Format::Markdown | Format::Html)) => Ok(format),
        Some(Format::Pdf | Format::Docx) => {
            Err(ApiError::new(Code::UnsupportedMediaType, "A document that is not text is uploaded as multipart/form-data"))
        }
        None => Err(ApiError::new(Code::UnsupportedMediaType, "contentType must be text/plain, text/markdown or text/html")),
    }
}

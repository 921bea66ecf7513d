//! Documents on the wire.

use core_types::JsonObject;
use core_types::json::object_has_nul;
use core_types::knowledge::{AddedDocument, Format, NewDocument};
use core_types::memory::Memory;
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::Fields;
use crate::limits::{NAME_CHARS, TITLE_CHARS};
use crate::uploads::{InMemory, Received};
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

/// A form with a document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `uploaded_document` reads")]
pub(crate) struct DocumentForm {
    /// Text, Markdown, HTML, PDF or DOCX, by its declared type or by how its name ends.
    #[schema(format = Binary)]
    file: String,
    /// What it is called; the name of the file where neither this nor the document says so.
    title: Option<String>,
    /// A JSON object.
    metadata: Option<String>,
}

/// Reads a document that was uploaded.
pub(crate) fn uploaded_document(received: Received<InMemory>) -> ApiResult<NewDocument> {
    let Received { upload: InMemory { head, bytes, .. }, fields } = received;
    let invalid = |message: &str| ApiError::new(Code::InvalidRequest, message);
    if bytes.is_empty() {
        return Err(invalid("The document is empty"));
    }
    let name = head.file_name.as_deref().unwrap_or_default();
    // Browsers say `application/octet-stream`, or nothing, where they do not know; then the name tells.
    let format = head.declared_type.as_deref().and_then(Format::of_media_type).or_else(|| Format::of_file(name)).ok_or_else(|| {
        ApiError::new(Code::UnsupportedMediaType, "The document must be text, Markdown, HTML, PDF or DOCX; say so by its type or its name")
    })?;
    let field = |name: &str| fields.iter().find(|(known, value)| known == name && !value.trim().is_empty()).map(|(_, value)| value);
    let mut metadata: JsonObject = match field("metadata") {
        Some(text) => serde_json::from_str(text).map_err(|_| invalid("metadata must be a JSON object"))?,
        None => JsonObject::new(),
    };
    if object_has_nul(&metadata) {
        return Err(invalid("metadata contains the character U+0000"));
    }
    if !name.is_empty() {
        let plain = name.rsplit(['/', '\\']).next().unwrap_or_default();
        let plain: String = plain.chars().filter(|letter| !letter.is_control()).take(NAME_CHARS).collect();
        metadata.insert("fileName".to_owned(), plain.into());
    }
    let title = field("title").map(|title| title.trim().to_owned());
    if title.as_ref().is_some_and(|title| title.chars().count() > TITLE_CHARS) {
        return Err(invalid(&format!("title must have at most {TITLE_CHARS} characters")));
    }
    Ok(NewDocument { title, format, source: bytes.into(), metadata })
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

//! Documents that agents know: split into fragments, which are recalled where they bear on a message.

use async_trait::async_trait;
use bytes::Bytes;
use derive_more::{Display, Error};

use crate::error::Source;
use crate::memory::{ListedMemories, Memory};
use crate::page::Page;
use crate::{AgentId, Caller, JsonObject, MemoryId, ServiceResult};

/// The longest text that is taken out of a document, in bytes; some 1,500 pages.
pub const TEXT_LIMIT: usize = 4 << 20;

/// The largest document that is not text, and the largest file, in bytes.
pub const SOURCE_LIMIT: usize = 20 << 20;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Plain text.
    Text,
    /// Markdown: a heading begins a part.
    Markdown,
    /// HTML, of which the text is read.
    Html,
    /// PDF, of which the text is read; there is none where it was only scanned.
    Pdf,
    /// A document of a word processor, in Office Open XML.
    Docx,
}

impl Format {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Text, Self::Markdown, Self::Html, Self::Pdf, Self::Docx];

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Markdown => "text/markdown",
            Self::Html => "text/html",
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        }
    }

    /// Its name, as names of files end.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Markdown => "md",
            Self::Html => "html",
            Self::Pdf => "pdf",
            Self::Docx => "docx",
        }
    }

    /// The format with this name; `text`, `markdown` and `htm` are names too.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = match name.to_ascii_lowercase().as_str() {
            "text" => "txt",
            "markdown" => "md",
            "htm" | "xhtml" => "html",
            _ => name,
        };
        Self::ALL.iter().copied().find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// The format with this media type, whatever its parameters.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/x-markdown" => Some(Self::Markdown),
            "application/xhtml+xml" => Some(Self::Html),
            essence => Self::ALL.iter().copied().find(|format| format.media_type() == essence),
        }
    }

    /// The format of a file by how its name ends.
    pub fn of_file(name: &str) -> Option<Self> {
        name.rsplit_once('.').and_then(|(_, ending)| Self::of_name(ending))
    }
}

/// A document that a caller hands in.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDocument {
    /// What it is called; some documents say so themselves.
    pub title: Option<String>,
    /// How it is written.
    pub format: Format,
    /// All of it; text is in UTF-8.
    pub source: Bytes,
    /// Free-form.
    pub metadata: JsonObject,
}

/// The text of a document that was not text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentText {
    /// All of it.
    pub text: String,
    /// What it calls itself.
    pub title: Option<String>,
    /// Whether headings are marked with `#`, as in Markdown.
    pub headings: bool,
}

/// Why a document was not read. `Display` is for whoever handed it in.
#[derive(Debug, Display, Error)]
pub enum UnreadableDocument {
    /// The document is to blame.
    #[display("{message}")]
    Broken {
        /// What is wrong with it.
        message: String,
    },
    /// There is more text in it than [`TEXT_LIMIT`].
    #[display("it has more than {} MB of text; hand it in in parts", TEXT_LIMIT >> 20)]
    TooLong,
    /// The reader is to blame.
    #[display("it cannot be read at present")]
    Failed(#[error(source)] Source),
}

/// Takes the text out of documents that are not text. Within bounds of memory and time, whatever the document is.
#[async_trait]
pub trait DocumentReader: Send + Sync {
    /// The text of a document.
    async fn read(&self, format: Format, source: Bytes) -> Result<DocumentText, UnreadableDocument>;
}

/// A file that a character's knowledge names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnowledgeFile {
    /// Where it lies, below the directory of such files.
    pub path: String,
    /// How it is written.
    pub format: Format,
}

/// Why files were not read. `Display` is for whoever wrote the character.
#[derive(Debug, Clone, PartialEq, Eq, Display, Error)]
#[display("{message}")]
pub struct FilesUnavailable {
    /// What is wrong.
    #[error(not(source))]
    pub message: String,
}

/// The files that characters' knowledge may name: those below one directory.
#[async_trait]
pub trait KnowledgeFiles: Send + Sync {
    /// The files that a path means, in the order of their names: the file itself, or what lies in the directory and below
    /// it. Files of a format that is not read are left out of a directory.
    async fn find(&self, path: &str) -> Result<Vec<KnowledgeFile>, FilesUnavailable>;

    /// All of a file.
    async fn read(&self, file: &KnowledgeFile) -> Result<Bytes, FilesUnavailable>;
}

/// What became of a document that was handed in.
#[derive(Debug, Clone, PartialEq)]
pub struct AddedDocument {
    /// The document: a memory in the table `documents`.
    pub document: Memory,
    /// Whether the agent had it already; it is unchanged then.
    pub existing: bool,
}

/// What a transport can ask about documents.
#[async_trait]
pub trait KnowledgeService: Send + Sync {
    /// Gives an agent a document. The same content again changes nothing and says so.
    async fn add(&self, caller: &Caller, agent: AgentId, document: NewDocument) -> ServiceResult<AddedDocument>;

    /// The documents of an agent, newest first.
    async fn list(&self, caller: &Caller, agent: AgentId, page: Page) -> ServiceResult<ListedMemories>;

    /// One document.
    async fn get(&self, caller: &Caller, agent: AgentId, id: MemoryId) -> ServiceResult<Memory>;

    /// Takes a document away, and its fragments.
    async fn remove(&self, caller: &Caller, agent: AgentId, id: MemoryId) -> ServiceResult<()>;
}

//! Documents that agents know: split into fragments, which are recalled where they bear on a message.

use async_trait::async_trait;

use crate::memory::Memory;
use crate::page::{Listed, Page};
use crate::{AgentId, Caller, JsonObject, MemoryId, ServiceResult};

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Plain text.
    Text,
    /// Markdown: a heading begins a part.
    Markdown,
    /// HTML, of which the text is read.
    Html,
}

impl Format {
    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Markdown => "text/markdown",
            Self::Html => "text/html",
        }
    }
}

/// A document that a caller hands in.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDocument {
    /// What it is called; an HTML document may say so itself.
    pub title: Option<String>,
    /// How it is written.
    pub format: Format,
    /// All of it.
    pub source: String,
    /// Free-form.
    pub metadata: JsonObject,
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
    async fn list(&self, caller: &Caller, agent: AgentId, page: Page) -> ServiceResult<Listed<Memory>>;

    /// One document.
    async fn get(&self, caller: &Caller, agent: AgentId, id: MemoryId) -> ServiceResult<Memory>;

    /// Takes a document away, and its fragments.
    async fn remove(&self, caller: &Caller, agent: AgentId, id: MemoryId) -> ServiceResult<()>;
}

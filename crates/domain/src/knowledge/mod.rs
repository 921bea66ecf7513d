//! What agents know: documents, and the knowledge of their characters.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use core_types::agents::{Agent, AgentRepository};
use core_types::character;
use core_types::ids::create_unique_uuid;
use core_types::knowledge::{AddedDocument, Format, KnowledgeService, NewDocument};
use core_types::memory::{DOCUMENTS, KNOWLEDGE, Memory, MemoryFilter, MemoryRepository, Origin, Trust};
use core_types::{
    AgentId, Caller, Clock, InvalidCode, JsonObject, Listed, MemoryId, Page, Permission, RoomId, ServiceError, ServiceResult, Thing,
    Timestamp, WorldId,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::permission::require;

mod html;
mod split;

/// The source of documents that callers hand in, and that of a character's knowledge.
const API: &str = "api";
const CHARACTER: &str = "character";
/// How many memories are stored in one transaction, where several documents are.
const BATCH: usize = 200;

/// Splits documents and keeps them.
pub struct Knowledge {
    /// Where agents are kept.
    pub agents: Arc<dyn AgentRepository>,
    /// Where documents and their fragments are kept.
    pub memories: Arc<dyn MemoryRepository>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl KnowledgeService for Knowledge {
    async fn add(&self, caller: &Caller, agent: AgentId, document: NewDocument) -> ServiceResult<AddedDocument> {
        require(caller, Permission::MemoriesWrite)?;
        self.known(agent).await?;
        let id = document_id(agent, API, &document.source);
        if let Some(document) = self.memories.find(agent, id).await? {
            return Ok(AddedDocument { document, existing: true });
        }
        let now = self.clock.now();
        // A document of megabytes takes a while to be read.
        let reading = tokio::task::spawn_blocking(move || read(agent, API, &document, now));
        let memories = reading.await.map_err(|failed| ServiceError::Internal(Box::new(failed)))?;
        let Some(document) = memories.first().cloned() else {
            return Err(ServiceError::invalid(InvalidCode::Request, "The document holds no text"));
        };
        let existing = self.memories.add(memories).await? == 0;
        Ok(AddedDocument { document, existing })
    }

    async fn list(&self, caller: &Caller, agent: AgentId, page: Page) -> ServiceResult<Listed<Memory>> {
        require(caller, Permission::MemoriesRead)?;
        self.known(agent).await?;
        Ok(self.memories.list(agent, documents(), page).await?)
    }

    async fn get(&self, caller: &Caller, agent: AgentId, id: MemoryId) -> ServiceResult<Memory> {
        require(caller, Permission::MemoriesRead)?;
        self.known(agent).await?;
        let found = self.memories.find(agent, id).await?.filter(|memory| memory.table == DOCUMENTS);
        found.ok_or(ServiceError::NotFound(Thing::Document))
    }

    async fn remove(&self, caller: &Caller, agent: AgentId, id: MemoryId) -> ServiceResult<()> {
        require(caller, Permission::MemoriesWrite)?;
        self.known(agent).await?;
        let removed = self.memories.remove_all(agent, MemoryFilter { id: Some(id), ..documents() }).await?;
        if removed > 0 { Ok(()) } else { Err(ServiceError::NotFound(Thing::Document)) }
    }
}

impl Knowledge {
    /// Brings what an agent knows of its character's knowledge up to date: texts that are new are taken in, those that the
    /// character has no more are taken away, and the rest costs nothing.
    pub async fn follow(&self, agent: &Agent) -> ServiceResult<()> {
        let own = MemoryFilter { metadata: vec![("source".to_owned(), json!(CHARACTER))], ..documents() };
        let stored = self.memories.list(agent.id, own.clone(), Page::first(character_limit())).await?.items;
        let mut stale: HashSet<MemoryId> = stored.into_iter().map(|document| document.id).collect();
        let now = self.clock.now();
        let mut batch = Vec::new();
        for item in &agent.character.knowledge {
            let character::Knowledge::Text(text) = item else { continue };
            if stale.remove(&document_id(agent.id, CHARACTER, text)) {
                continue;
            }
            let document = NewDocument { title: None, format: Format::Text, source: text.clone(), metadata: JsonObject::new() };
            batch.extend(read(agent.id, CHARACTER, &document, now));
            if batch.len() >= BATCH {
                self.memories.add(std::mem::take(&mut batch)).await?;
            }
        }
        if !batch.is_empty() {
            self.memories.add(batch).await?;
        }
        for id in stale {
            self.memories.remove_all(agent.id, MemoryFilter { id: Some(id), ..own.clone() }).await?;
        }
        Ok(())
    }

    async fn known(&self, agent: AgentId) -> ServiceResult<()> {
        if self.agents.exists(agent).await? { Ok(()) } else { Err(ServiceError::NotFound(Thing::Agent)) }
    }
}

/// More documents than the knowledge of a character can be.
fn character_limit() -> u32 {
    u32::try_from(2 * character::MAX_LIST).unwrap_or(u32::MAX)
}

fn documents() -> MemoryFilter {
    MemoryFilter::table(DOCUMENTS)
}

fn hash(text: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The id follows from the content, so that a document is there once however often it is handed in.
fn document_id(agent: AgentId, source: &str, content: &str) -> MemoryId {
    MemoryId::new(create_unique_uuid(agent, &format!("document:{source}:{}", hash(content))))
}

/// A document and its fragments as memories, the document first; nothing where there is no text.
fn read(agent: AgentId, source: &str, document: &NewDocument, now: Timestamp) -> Vec<Memory> {
    let (text, own_title) = match document.format {
        Format::Text | Format::Markdown => (document.source.clone(), None),
        Format::Html => html::read(&document.source),
    };
    // No database keeps U+0000 in a text, and no reader misses it.
    let text = text.replace('\0', "");
    let fragments = split::split(&text, document.format == Format::Markdown);
    if fragments.is_empty() {
        return Vec::new();
    }
    let title = document.title.clone().or(own_title);
    let id = document_id(agent, source, &document.source);
    let mut metadata = document.metadata.clone();
    metadata.extend(object(json!({
        "type": "document", "source": source, "contentType": document.format.media_type(), "contentHash": hash(&document.source),
        "fragments": fragments.len(), "timestamp": now,
    })));
    titled(&mut metadata, title.as_deref());
    let blank = |id, table: &str, text: &str, metadata| Memory {
        id,
        agent_id: agent,
        table: table.to_owned(),
        room_id: RoomId::new(agent.uuid()),
        world_id: Some(WorldId::new(agent.uuid())),
        entity_id: agent.into(),
        content: object(json!({"text": text, "source": "knowledge"})),
        metadata,
        unique: true,
        created_at: now,
        origin: Origin { trust: Some(Trust::Owner), ..Origin::default() },
        document_id: None,
    };
    let whole = blank(id, DOCUMENTS, &text, metadata);
    let parts = fragments.iter().enumerate().map(|(position, fragment)| {
        let mut metadata = object(json!({"type": "fragment", "documentId": id, "position": position, "source": source}));
        titled(&mut metadata, title.as_deref());
        let part = MemoryId::new(create_unique_uuid(agent, &format!("fragment:{id}:{position}")));
        Memory { document_id: Some(id), ..blank(part, KNOWLEDGE, fragment, metadata) }
    });
    std::iter::once(whole.clone()).chain(parts).collect()
}

fn titled(metadata: &mut JsonObject, title: Option<&str>) {
    if let Some(title) = title {
        metadata.insert("title".to_owned(), title.into());
    }
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}

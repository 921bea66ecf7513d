//! What agents know: documents, and the knowledge of their characters.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use core_types::access::Wanted;
use core_types::agents::{Agent, AgentRepository};
use core_types::character;
use core_types::ids::create_unique_uuid;
use core_types::knowledge::{
    AddedDocument, DocumentReader, DocumentText, Format, KnowledgeFile, KnowledgeFiles, KnowledgeService, NewDocument, TEXT_LIMIT,
    UnreadableDocument,
};
use core_types::memory::{DOCUMENTS, KNOWLEDGE, ListedMemories, Memory, MemoryFilter, MemoryRepository, Origin, Trust};
use core_types::{
    AgentId, Caller, Clock, InvalidCode, JsonObject, MemoryId, Page, Permission, RoomId, ServiceError, ServiceResult, Thing, Timestamp,
    WorldId,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::one_at_a_time::OwnersTurns;
use crate::permission::{Access, require};
use crate::places::Places;

mod html;
mod split;

/// Reads a text as HTML and as plain text, and cuts it up.
#[cfg(fuzzing)]
pub fn fuzzed(html: &str) {
    let (text, _title) = html::read(html);
    // Nothing is made up: what has no words has no parts, and all parts together are little more than the text.
    for text in [text.as_str(), html] {
        for headings in [false, true] {
            let parts = split::split(text, headings);
            assert!(parts.is_empty() == text.trim().is_empty() || text.trim().chars().all(char::is_control), "{text:?}: {parts:?}");
        }
    }
}

/// The source of documents that callers hand in, that of a character's knowledge, and that of the files which it names.
const API: &str = "api";
const CHARACTER: &str = "character";
const FILE: &str = "file";
/// How many memories are stored in one transaction: writers never wait long for a long document.
const BATCH: usize = 200;
/// Stored documents that are looked at with one query.
const LOOKED_AT: u32 = 200;
/// Documents of callers that are taken in at once: each is in memory, several times over, while it is split and stored.
const AT_ONCE: usize = 8;
/// Characters of tenants whose texts are taken in at once.
const CHARACTERS: usize = 4;
/// Files that the knowledge of a character may come to, directories and all.
const FILES: usize = 10_000;
/// How often it is told how far the files of a character are taken in, in files.
const TOLD_EVERY: usize = 100;

/// The ports that documents are read and kept through.
pub struct KnowledgePorts {
    /// Where agents are kept.
    pub agents: Arc<dyn AgentRepository>,
    /// What callers can reach.
    pub access: Access,
    /// Where documents and their fragments are kept.
    pub memories: Arc<dyn MemoryRepository>,
    /// Reads documents that are not text.
    pub reader: Arc<dyn DocumentReader>,
    /// The files that characters may name.
    pub files: Arc<dyn KnowledgeFiles>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Splits documents and keeps them.
pub struct Knowledge {
    ports: KnowledgePorts,
    /// Whose turn it is to take in files: one agent at a time, so that answers are not held up.
    turn: tokio::sync::Mutex<()>,
    /// Who hands in documents.
    places: Places,
    /// Whose agent's texts are taken in.
    turns: OwnersTurns,
}

/// A document that is stored.
struct Stored {
    /// The path of its file; empty where it has none.
    path: String,
    /// How many fragments it has where it is whole.
    fragments: usize,
}

impl Stored {
    fn of(document: &Memory) -> Self {
        let path = document.metadata.get("path").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { path, fragments: fragments_of(document) }
    }
}

#[async_trait]
impl KnowledgeService for Knowledge {
    async fn add(&self, caller: &Caller, agent: AgentId, document: NewDocument) -> ServiceResult<AddedDocument> {
        require(caller, Permission::MemoriesWrite)?;
        self.known(caller, agent).await?;
        let _place = self.places.wait(caller, "Too many documents are being taken in already").await?;
        let id = document_id(agent, API, &document.source);
        if let Some(document) = self.whole(agent, id).await? {
            return Ok(AddedDocument { document, existing: true });
        }
        let unreadable = |error: UnreadableDocument| match error {
            UnreadableDocument::Failed(source) => ServiceError::Internal(source),
            refused => ServiceError::invalid(InvalidCode::Request, format!("The document cannot be read: {refused}")),
        };
        let memories = self.read(agent, API, document).await?.map_err(unreadable)?;
        let Some(document) = memories.first().cloned() else {
            return Err(ServiceError::invalid(InvalidCode::Request, "The document holds no text"));
        };
        let existing = self.keep(memories).await? == 0;
        if existing && self.ports.memories.find(agent, id).await?.is_none() {
            // It was there, and was deleted meanwhile, perhaps with its agent.
            self.known(caller, agent).await?;
            return Err(ServiceError::conflict("The document is being deleted by others; try again"));
        }
        Ok(AddedDocument { document, existing })
    }

    async fn list(&self, caller: &Caller, agent: AgentId, page: Page) -> ServiceResult<ListedMemories> {
        require(caller, Permission::MemoriesRead)?;
        self.known(caller, agent).await?;
        Ok(self.ports.memories.list(agent, documents(), page).await?)
    }

    async fn get(&self, caller: &Caller, agent: AgentId, id: MemoryId) -> ServiceResult<Memory> {
        require(caller, Permission::MemoriesRead)?;
        self.known(caller, agent).await?;
        let found = self.ports.memories.find(agent, id).await?.filter(|memory| memory.table == DOCUMENTS);
        found.ok_or(ServiceError::NotFound(Thing::Document))
    }

    async fn remove(&self, caller: &Caller, agent: AgentId, id: MemoryId) -> ServiceResult<()> {
        require(caller, Permission::MemoriesWrite)?;
        self.known(caller, agent).await?;
        let removed = self.ports.memories.remove_all(agent, MemoryFilter { id: Some(id), ..documents() }).await?;
        if removed > 0 { Ok(()) } else { Err(ServiceError::NotFound(Thing::Document)) }
    }
}

impl Knowledge {
    /// Documents through these ports.
    pub fn new(ports: KnowledgePorts) -> Self {
        Self { ports, turn: tokio::sync::Mutex::default(), places: Places::new(AT_ONCE), turns: OwnersTurns::new(CHARACTERS) }
    }

    /// Brings what an agent knows of its character's knowledge up to date: texts that are new are taken in, those that the
    /// character has no more are taken away, and the rest costs nothing. Files are for [`Self::follow_files`].
    ///
    /// Waits until nothing else is taken in for the agent's owner, and takes the character as it is then: of many changes at once the
    /// last is followed, and the others find little to do. Where it is cut short, the next call goes on.
    pub async fn follow(&self, agent: &Agent) -> ServiceResult<()> {
        let id = agent.id;
        let _turn = self.turns.next(agent.owner.as_ref()).await;
        let Some(agent) = self.ports.agents.find(id).await? else { return Ok(()) };
        let own = of_source(CHARACTER);
        let stored = self.stored(id, &own, character_limit()).await?;
        let torn = self.torn(id, &stored).await?;
        let clock = Arc::clone(&self.ports.clock);
        // They may have megabytes.
        let splitting = tokio::task::spawn_blocking(move || documents_of(agent, stored, &torn, clock.as_ref()));
        let (new, stale) = splitting.await.map_err(|failed| ServiceError::Internal(Box::new(failed)))?;
        let mut batch = Vec::new();
        for memories in new {
            // What fits in one transaction is not parted, so that it is whole where it is there.
            if batch.len() + memories.len() > BATCH {
                self.keep(std::mem::take(&mut batch)).await?;
            }
            batch.extend(memories);
        }
        self.keep(batch).await?;
        self.forget(id, &own, stale).await
    }

    /// The same for the files that the character names. May take long, and tells how far it is; where it is cut short, it goes
    /// on the next time.
    pub async fn follow_files(&self, id: AgentId) -> ServiceResult<()> {
        let _turn = self.turn.lock().await;
        let Some(agent) = self.ports.agents.find(id).await? else { return Ok(()) };
        let own = of_source(FILE);
        let limit = u32::try_from(2 * FILES).unwrap_or(u32::MAX);
        let mut stale = self.stored(id, &own, limit).await?;
        let files = self.files_of(&agent).await;
        if files.is_empty() && stale.is_empty() {
            return Ok(());
        }
        let name = &agent.character.name;
        let (count, mut new) = (files.len(), 0);
        for (number, file) in files.into_iter().enumerate() {
            match self.follow_file(id, &file).await? {
                Ok((document, is_new)) => {
                    stale.remove(&document);
                    new += usize::from(is_new);
                }
                Err(reason) => {
                    log::warn!("agent {name}: the file {:?} of its knowledge is not taken in: {reason}", file.path);
                    // What it said before is better than nothing.
                    stale.retain(|_, stored| stored.path != file.path);
                }
            }
            if (number + 1) % TOLD_EVERY == 0 {
                log::info!("agent {name}: {} of {count} files of its knowledge are looked at, {new} of them new", number + 1);
            }
        }
        let gone = stale.len();
        self.forget(id, &own, stale.into_keys()).await?;
        if new > 0 || gone > 0 {
            log::info!("agent {name}: the {count} files of its knowledge are taken in: {new} new, {gone} gone");
        }
        Ok(())
    }

    /// The files that a character names, each once. What cannot be found is told and left out.
    async fn files_of(&self, agent: &Agent) -> Vec<KnowledgeFile> {
        if agent.owner.is_some() {
            // The directory is the owner's.
            return Vec::new();
        }
        let mut known = HashSet::new();
        let mut files = Vec::new();
        for item in &agent.character.knowledge {
            let character::Knowledge::Reference(reference) = item else { continue };
            let named = ["path", "directory"].into_iter().find_map(|key| reference.get(key)?.as_str());
            match self.ports.files.find(named.unwrap_or_default()).await {
                Ok(found) => files.extend(found.into_iter().filter(|file| known.insert(file.path.clone()))),
                Err(error) => log::warn!("agent {}: {error}", agent.character.name),
            }
        }
        if files.len() > FILES {
            log::warn!("agent {}: its knowledge comes to {} files; the first {FILES} are taken in", agent.character.name, files.len());
            files.truncate(FILES);
        }
        files
    }

    /// Takes in a file where it is new; its document and whether it was. What is wrong with the file is no failure of ours.
    async fn follow_file(&self, agent: AgentId, file: &KnowledgeFile) -> ServiceResult<Result<(MemoryId, bool), String>> {
        let source = match self.ports.files.read(file).await {
            Ok(source) => source,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let id = document_id(agent, FILE, &source);
        if self.whole(agent, id).await?.is_some() {
            return Ok(Ok((id, false)));
        }
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let metadata = object(json!({"path": file.path, "fileName": name}));
        let document = NewDocument { title: None, format: file.format, source, metadata };
        let memories = match self.read(agent, FILE, document).await? {
            Ok(memories) if memories.is_empty() => return Ok(Err("it holds no text".to_owned())),
            Ok(memories) => memories,
            Err(error) => return Ok(Err(error.to_string())),
        };
        self.keep(memories).await?;
        Ok(Ok((id, true)))
    }

    /// Which documents of a source are stored. They are read page by page: all of them need not fit in memory.
    async fn stored(&self, agent: AgentId, own: &MemoryFilter, most: u32) -> ServiceResult<HashMap<MemoryId, Stored>> {
        let mut stored = HashMap::new();
        let (mut offset, mut limit) = (0, LOOKED_AT);
        while offset < most {
            let page = Page { offset, limit: limit.min(most - offset) };
            let ListedMemories { items, total } = self.ports.memories.list(agent, own.clone(), page).await?;
            let read = u32::try_from(items.len()).unwrap_or(u32::MAX);
            offset = offset.saturating_add(read);
            stored.extend(items.iter().map(|document| (document.id, Stored::of(document))));
            if read == 0 || total.is_some_and(|total| total <= u64::from(offset)) {
                break;
            }
            // Of large documents fewer fit in a page than were asked for.
            limit = read.saturating_mul(2).min(LOOKED_AT);
        }
        Ok(stored)
    }

    /// Those of a character's documents that were cut short while they were stored. What fits in one transaction never is.
    async fn torn(&self, agent: AgentId, stored: &HashMap<MemoryId, Stored>) -> ServiceResult<HashSet<MemoryId>> {
        let parted = stored.iter().filter(|(_, document)| document.fragments >= BATCH);
        let parted: Vec<(MemoryId, usize)> = parted.map(|(id, document)| (*id, document.fragments.saturating_sub(1))).collect();
        let mut torn = HashSet::new();
        for (id, last) in parted {
            if self.ports.memories.find(agent, fragment_id(agent, id, last)).await?.is_none() {
                torn.insert(id);
            }
        }
        Ok(torn)
    }

    /// A document that is there with all its fragments: one may have been cut short while it was stored.
    async fn whole(&self, agent: AgentId, id: MemoryId) -> ServiceResult<Option<Memory>> {
        let Some(document) = self.ports.memories.find(agent, id).await? else { return Ok(None) };
        let is_whole = match fragments_of(&document).checked_sub(1) {
            Some(last) => self.ports.memories.find(agent, fragment_id(agent, id, last)).await?.is_some(),
            None => true,
        };
        Ok(is_whole.then_some(document))
    }

    /// A document and its fragments as memories, the document first; nothing where there is no text.
    async fn read(
        &self,
        agent: AgentId,
        source: &'static str,
        document: NewDocument,
    ) -> ServiceResult<Result<Vec<Memory>, UnreadableDocument>> {
        let read = match document.format {
            Format::Pdf | Format::Docx => match self.ports.reader.read(document.format, document.source.clone()).await {
                Ok(text) => Some(text),
                Err(error) => return Ok(Err(error)),
            },
            Format::Text | Format::Markdown | Format::Html => None,
        };
        let now = self.ports.clock.now();
        // A document of megabytes takes a while.
        let splitting = tokio::task::spawn_blocking(move || {
            let read = match read {
                Some(read) => read,
                None => text_of(&document)?,
            };
            Ok(memories_of(agent, source, &document, read, now))
        });
        splitting.await.map_err(|failed| ServiceError::Internal(Box::new(failed)))
    }

    /// Stores a document and its fragments; how many are new.
    async fn keep(&self, mut memories: Vec<Memory>) -> ServiceResult<u64> {
        let mut new = 0;
        while !memories.is_empty() {
            let rest = memories.split_off(memories.len().min(BATCH));
            new += self.ports.memories.add(memories).await?;
            memories = rest;
        }
        Ok(new)
    }

    async fn forget(&self, agent: AgentId, own: &MemoryFilter, stale: impl IntoIterator<Item = MemoryId>) -> ServiceResult<()> {
        for id in stale {
            self.ports.memories.remove_all(agent, MemoryFilter { id: Some(id), ..own.clone() }).await?;
        }
        Ok(())
    }

    async fn known(&self, caller: &Caller, agent: AgentId) -> ServiceResult<()> {
        self.ports.access.to(caller, Wanted::OwnAgent(agent)).await?;
        if self.ports.agents.exists(agent).await? { Ok(()) } else { Err(ServiceError::NotFound(Thing::Agent)) }
    }
}

/// More documents than the texts of a character's knowledge can be.
fn character_limit() -> u32 {
    u32::try_from(2 * character::MAX_LIST).unwrap_or(u32::MAX)
}

fn documents() -> MemoryFilter {
    MemoryFilter::table(DOCUMENTS)
}

fn of_source(source: &str) -> MemoryFilter {
    MemoryFilter { metadata: vec![("source".to_owned(), json!(source))], ..documents() }
}

fn hash(source: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(source).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// How many fragments a document has where it is whole.
fn fragments_of(document: &Memory) -> usize {
    let fragments = document.metadata.get("fragments").and_then(Value::as_u64).unwrap_or_default();
    usize::try_from(fragments).unwrap_or_default()
}

/// The id follows from the content, so that a document is there once however often it is handed in.
fn document_id(agent: AgentId, source: &str, content: &[u8]) -> MemoryId {
    MemoryId::new(create_unique_uuid(agent, &format!("document:{source}:{}", hash(content))))
}

fn fragment_id(agent: AgentId, document: MemoryId, position: usize) -> MemoryId {
    MemoryId::new(create_unique_uuid(agent, &format!("fragment:{document}:{position}")))
}

fn as_text(text: String) -> DocumentText {
    DocumentText { text, title: None, headings: false }
}

/// What there is to do that an agent knows the texts of its character: the documents that are not stored whole, each with its fragments,
/// and the ids of the stored ones that the character has no more.
fn documents_of(
    agent: Agent,
    mut stored: HashMap<MemoryId, Stored>,
    torn: &HashSet<MemoryId>,
    clock: &dyn Clock,
) -> (Vec<Vec<Memory>>, Vec<MemoryId>) {
    let mut new = Vec::new();
    for item in agent.character.knowledge {
        let character::Knowledge::Text(text) = item else { continue };
        let id = document_id(agent.id, CHARACTER, text.as_bytes());
        if stored.remove(&id).is_some() && !torn.contains(&id) {
            continue;
        }
        let source = Bytes::copy_from_slice(text.as_bytes());
        let document = NewDocument { title: None, format: Format::Text, source, metadata: JsonObject::new() };
        new.push(memories_of(agent.id, CHARACTER, &document, as_text(text), clock.now()));
    }
    (new, stored.into_keys().collect())
}

/// The text of a document that is text.
fn text_of(document: &NewDocument) -> Result<DocumentText, UnreadableDocument> {
    let not_text = |_| UnreadableDocument::Broken { message: "it is not text in UTF-8".to_owned() };
    let text = std::str::from_utf8(&document.source).map_err(not_text)?;
    if text.len() > TEXT_LIMIT {
        return Err(UnreadableDocument::TooLong);
    }
    // Some editors put a mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Ok(match document.format {
        Format::Html => {
            let (text, title) = html::read(text);
            DocumentText { text, title, headings: false }
        }
        format => DocumentText { headings: format == Format::Markdown, ..as_text(text.to_owned()) },
    })
}

/// A document and its fragments as memories, the document first; nothing where there is no text.
fn memories_of(agent: AgentId, source: &str, document: &NewDocument, read: DocumentText, now: Timestamp) -> Vec<Memory> {
    // No database keeps U+0000 in a text, and no reader misses it.
    let text = read.text.replace('\0', "");
    let fragments = split::split(&text, read.headings);
    if fragments.is_empty() {
        return Vec::new();
    }
    let file_name = || document.metadata.get("fileName").and_then(Value::as_str).map(str::to_owned);
    let title = document.title.clone().or(read.title).or_else(file_name);
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
        Memory { document_id: Some(id), ..blank(fragment_id(agent, id, position), KNOWLEDGE, fragment, metadata) }
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

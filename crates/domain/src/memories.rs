//! What agents remember.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use core_types::access::Wanted;
use core_types::agents::AgentRepository;
use core_types::error::chain;
use core_types::memory::{
    COUNTED, DOCUMENTS, EmbeddingProgress, FACTS, FoundMemories, FoundMemory, KeywordSearch, ListedMemories, MEMORIES, MESSAGES, Memory,
    MemoryChange, MemoryFilter, MemoryRepository, MemorySearch, MemoryService, Nearest, Ranked, Reason, Shortfall, Similar, Source,
    VectorError, VectorIndex, fuse,
};
use core_types::messaging::MessageRepository;
use core_types::{AgentId, Caller, MemoryId, Page, Permission, RoomId, ServiceError, ServiceResult, Thing};

use crate::permission::{Access, require};
use crate::places::LongReads;

/// How far down each ranking is read before they are fused.
const DEPTH: u32 = 100;

/// A page of more memories than this may be many times as large as what clients usually ask for.
const SHORT_PAGE: u32 = 100;

/// The tables that are forgotten together, in the spellings of all releases.
const FORGOTTEN: [&str; 6] = [MEMORIES, MESSAGES, "message", FACTS, DOCUMENTS, "document"];

/// Shows, finds, changes and deletes what agents remember.
pub struct Memories {
    /// Where agents are kept.
    pub agents: Arc<dyn AgentRepository>,
    /// What callers can reach.
    pub access: Access,
    /// Where memories are kept.
    pub memories: Arc<dyn MemoryRepository>,
    /// Where the messages are that memories were made of.
    pub messages: Arc<dyn MessageRepository>,
    /// What ranks memories by meaning, where there is such a thing.
    pub vectors: Option<Arc<dyn VectorIndex>>,
    /// The places that searches and long lists take.
    pub reads: LongReads,
}

/// What became of the ranking by meaning.
enum Meaning {
    Ranked(Nearest),
    Failed,
    None,
}

#[async_trait]
impl MemoryService for Memories {
    async fn list(&self, caller: &Caller, agent: AgentId, filter: MemoryFilter, page: Page) -> ServiceResult<ListedMemories> {
        require(caller, Permission::MemoriesRead)?;
        self.known(caller, agent).await?;
        let _place = self.reads.place_if(is_long(&filter, page), caller).await?;
        Ok(self.memories.list(agent, filter, page).await?)
    }

    async fn get(&self, caller: &Caller, agent: AgentId, id: MemoryId) -> ServiceResult<Memory> {
        require(caller, Permission::MemoriesRead)?;
        self.known(caller, agent).await?;
        self.memories.find(agent, id).await?.ok_or(ServiceError::NotFound(Thing::Memory))
    }

    async fn why(&self, caller: &Caller, agent: AgentId, id: MemoryId) -> ServiceResult<Reason> {
        let memory = self.get(caller, agent, id).await?;
        let message = match memory.origin.message {
            // Another may have its id by now, elsewhere.
            Some(message) => self.messages.find(message).await?.filter(|message| memory.origin.channel == Some(message.channel_id)),
            None => None,
        };
        Ok(Reason { memory, message })
    }

    async fn search(&self, caller: &Caller, agent: AgentId, search: MemorySearch) -> ServiceResult<FoundMemories> {
        require(caller, Permission::MemoriesRead)?;
        self.known(caller, agent).await?;
        let _place = self.reads.place(caller).await?;
        let MemorySearch { text, filter, limit, threshold } = search;
        let depth = limit.max(DEPTH);
        let by_words = self.memories.search(agent, filter.clone(), KeywordSearch::new(text.clone(), depth));
        let (by_words, by_meaning) = tokio::join!(by_words, self.nearest(agent, &filter, &text, depth));
        let by_words = by_words?;
        let (by_meaning, shortfalls) = match by_meaning {
            Meaning::Ranked(Nearest { memories, shortfalls }) => (Some(memories), shortfalls),
            Meaning::Failed => (None, vec![Shortfall::NoAnswer]),
            Meaning::None => (None, Vec::new()),
        };
        let looked_at_meaning = by_meaning.is_some();
        let mut memories = self.fused(agent, filter, by_words, by_meaning.unwrap_or_default()).await?;
        memories.retain(|found| threshold.is_none_or(|least| found.similarity >= least));
        memories.truncate(limit as usize);
        Ok(FoundMemories { memories, by_meaning: looked_at_meaning, shortfalls })
    }

    async fn embeddings(&self, caller: &Caller, agent: AgentId) -> ServiceResult<EmbeddingProgress> {
        require(caller, Permission::MemoriesRead)?;
        self.known(caller, agent).await?;
        match &self.vectors {
            Some(vectors) => Ok(vectors.progress(agent).await?),
            None => Ok(EmbeddingProgress { loaded: true, ..EmbeddingProgress::default() }),
        }
    }

    async fn update(&self, caller: &Caller, agent: AgentId, id: MemoryId, change: MemoryChange) -> ServiceResult<Memory> {
        require(caller, Permission::MemoriesWrite)?;
        self.known(caller, agent).await?;
        self.memories.update(agent, id, change).await?.ok_or(ServiceError::NotFound(Thing::Memory))
    }

    async fn remove(&self, caller: &Caller, agent: AgentId, id: MemoryId) -> ServiceResult<()> {
        require(caller, Permission::MemoriesWrite)?;
        self.known(caller, agent).await?;
        let removed = self.memories.remove_all(agent, MemoryFilter::id(id)).await?;
        if removed > 0 { Ok(()) } else { Err(ServiceError::NotFound(Thing::Memory)) }
    }

    async fn clear(&self, caller: &Caller, agent: AgentId, rooms: Vec<RoomId>) -> ServiceResult<u64> {
        require(caller, Permission::MemoriesWrite)?;
        self.known(caller, agent).await?;
        let filter = MemoryFilter { tables: FORGOTTEN.map(str::to_owned).to_vec(), rooms, ..MemoryFilter::default() };
        Ok(self.memories.remove_all(agent, filter).await?)
    }

    async fn revert(&self, caller: &Caller, agent: AgentId, source: Source) -> ServiceResult<u64> {
        require(caller, Permission::MemoriesWrite)?;
        self.known(caller, agent).await?;
        Ok(self.memories.remove_all(agent, MemoryFilter { source: Some(source), ..MemoryFilter::default() }).await?)
    }
}

/// Whether a list may go through much of what an agent remembers: no index leads to what the filter lets pass in the order of the list,
/// or what is shown is far down in it or may be megabytes.
fn is_long(filter: &MemoryFilter, page: Page) -> bool {
    let is_led = filter.tables.len() == 1 && filter.rooms.len() <= 1 || filter.document.is_some();
    let looks_into_rows = filter.entity.is_some() || filter.world.is_some() || filter.source.is_some() || !filter.metadata.is_empty();
    filter.id.is_none() && (!is_led || looks_into_rows || page.offset > COUNTED || page.limit > SHORT_PAGE)
}

impl Memories {
    async fn known(&self, caller: &Caller, agent: AgentId) -> ServiceResult<()> {
        self.access.to(caller, Wanted::OwnAgent(agent)).await?;
        if self.agents.exists(agent).await? { Ok(()) } else { Err(ServiceError::NotFound(Thing::Agent)) }
    }

    /// The ranking by meaning. Where there is none, for whatever reason, words are there.
    async fn nearest(&self, agent: AgentId, filter: &MemoryFilter, text: &str, limit: u32) -> Meaning {
        let Some(vectors) = &self.vectors else { return Meaning::None };
        match vectors.nearest(agent, filter, text, limit).await {
            Ok(nearest) => Meaning::Ranked(nearest),
            Err(VectorError::NoModel) => Meaning::None,
            Err(VectorError::Resting) => Meaning::Failed,
            Err(error) => {
                log::warn!("memories of agent {agent} are searched by words alone: {}", chain(&error));
                Meaning::Failed
            }
        }
    }

    /// One ranking of both.
    async fn fused(
        &self,
        agent: AgentId,
        filter: MemoryFilter,
        by_words: Vec<Ranked>,
        by_meaning: Vec<Similar>,
    ) -> ServiceResult<Vec<FoundMemory>> {
        let best = by_words.first().map_or(0.0, |ranked| ranked.score);
        let words: Vec<MemoryId> = by_words.iter().map(|ranked| ranked.memory.id).collect();
        let meaning: Vec<MemoryId> = by_meaning.iter().map(|similar| similar.id).collect();
        let cosines: HashMap<MemoryId, f64> = by_meaning.iter().map(|similar| (similar.id, similar.similarity)).collect();
        let scores: HashMap<MemoryId, f64> = by_words.iter().map(|ranked| (ranked.memory.id, ranked.score)).collect();
        let mut known: HashMap<MemoryId, Memory> = by_words.into_iter().map(|ranked| (ranked.memory.id, ranked.memory)).collect();
        let missing: Vec<MemoryId> = meaning.iter().copied().filter(|id| !known.contains_key(id)).collect();
        if !missing.is_empty() {
            let read = self.memories.find_all(agent, filter, missing).await?;
            known.extend(read.into_iter().map(|memory| (memory.id, memory)));
        }
        // A ranking that found nothing does not halve the scores of the other.
        let rankings: Vec<Vec<MemoryId>> = [words, meaning].into_iter().filter(|ranking| !ranking.is_empty()).collect();
        let found = fuse(&rankings).into_iter().filter_map(|fused| {
            let memory = known.remove(&fused.item)?;
            let (word, cosine) = (scores.get(&memory.id), cosines.get(&memory.id));
            let share = word.map(|score| if best > 0.0 { (score / best).clamp(0.0, 1.0) } else { 1.0 });
            let similarity = cosine.copied().or(share).unwrap_or_default();
            Some(FoundMemory { memory, score: fused.score, similarity, by_words: word.is_some(), by_meaning: cosine.is_some() })
        });
        Ok(found.collect())
    }
}

#[cfg(test)]
mod tests {
    use core_types::EntityId;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_list_is_long_where_no_index_leads_to_it() {
        let room = |number| RoomId::new(Uuid::from_u128(number));
        let (table, first) = (|| MemoryFilter::table(MESSAGES), Page::first(10));
        let id = || MemoryId::new(Uuid::from_u128(1));
        for (filter, page, long) in [
            (table(), first, false),
            (table().in_room(room(1)), first, false),
            (MemoryFilter { document: Some(id()), ..MemoryFilter::default() }, first, false),
            (MemoryFilter { id: Some(id()), entity: Some(EntityId::new(Uuid::nil())), ..MemoryFilter::default() }, first, false),
            (table(), Page { offset: COUNTED + 1, limit: 10 }, true),
            (table().in_room(room(1)), Page::first(SHORT_PAGE), false),
            (table().in_room(room(1)), Page::first(SHORT_PAGE + 1), true),
            (MemoryFilter::default(), first, true),
            (MemoryFilter { rooms: vec![room(1), room(2)], ..table() }, first, true),
            (MemoryFilter { entity: Some(EntityId::new(Uuid::nil())), ..table() }, first, true),
            (MemoryFilter { metadata: vec![("type".to_owned(), json!("message"))], ..table() }, first, true),
            (MemoryFilter { source: Some(Source::Author(EntityId::new(Uuid::nil()))), ..table() }, first, true),
        ] {
            assert_eq!(is_long(&filter, page), long, "{filter:?}");
        }
    }
}

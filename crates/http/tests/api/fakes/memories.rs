//! Memories, rooms and documents.

use async_trait::async_trait;
use core_types::embeddings::Space;
use core_types::knowledge::{AddedDocument, KnowledgeService, NewDocument};
use core_types::memory::{
    EmbeddingProgress, FoundMemories, FoundMemory, ListedMemories, Memory, MemoryChange, MemoryFilter, MemorySearch, MemoryService, Reason,
    Shortfall, Source, SpaceProgress,
};
use core_types::rooms::{CreatedGroup, NewGroup, NewRoom, PlacedRoom, RoomService};
use core_types::{AgentId, Caller, Listed, MemoryId, MessageServerId, Page, RoomId, ServiceResult};

use super::{Call, Fakes, memory, message, room, world};

#[async_trait]
impl MemoryService for Fakes {
    async fn list(&self, _: &Caller, _: AgentId, filter: MemoryFilter, page: Page) -> ServiceResult<ListedMemories> {
        self.note(Call::Memories(filter, page)).map(|()| self.listed_memories())
    }

    async fn get(&self, _: &Caller, _: AgentId, id: MemoryId) -> ServiceResult<Memory> {
        self.note(Call::Memory(id)).map(|()| memory())
    }

    async fn why(&self, _: &Caller, _: AgentId, id: MemoryId) -> ServiceResult<Reason> {
        self.note(Call::Memory(id)).map(|()| Reason { memory: memory(), message: Some(message()) })
    }

    async fn search(&self, _: &Caller, _: AgentId, search: MemorySearch) -> ServiceResult<FoundMemories> {
        self.note(Call::SearchMemories(search))?;
        let found = FoundMemory { memory: memory(), score: 1.0, similarity: 0.5, by_words: true, by_meaning: false };
        Ok(FoundMemories { memories: vec![found], by_meaning: false, shortfalls: vec![Shortfall::NoAnswer] })
    }

    async fn embeddings(&self, _: &Caller, _: AgentId) -> ServiceResult<EmbeddingProgress> {
        self.note(Call::Other("embeddings"))?;
        let space = Space { model: "a/model".to_owned(), dimension: 3, version: String::new() };
        Ok(EmbeddingProgress {
            model: Some("a/model".to_owned()),
            total: 10,
            embedded: 7,
            pending: 2,
            spaces: vec![SpaceProgress { space, memories: 7, current: true, searchable: true }],
            loaded: true,
            rate: 12.345_678,
            rate_limit: Some(200),
            problem: None,
        })
    }

    async fn update(&self, _: &Caller, _: AgentId, id: MemoryId, change: MemoryChange) -> ServiceResult<Memory> {
        self.note(Call::UpdateMemory(id, change)).map(|()| memory())
    }

    async fn remove(&self, _: &Caller, _: AgentId, id: MemoryId) -> ServiceResult<()> {
        self.note(Call::RemoveMemory(id))
    }

    async fn clear(&self, _: &Caller, _: AgentId, rooms: Vec<RoomId>) -> ServiceResult<u64> {
        self.note(Call::ClearMemories(rooms)).map(|()| 7)
    }

    async fn revert(&self, _: &Caller, _: AgentId, source: Source) -> ServiceResult<u64> {
        self.note(Call::Revert(source)).map(|()| 7)
    }
}

#[async_trait]
impl RoomService for Fakes {
    async fn list(&self, _: &Caller, _: AgentId, page: Page) -> ServiceResult<Listed<PlacedRoom>> {
        self.note(Call::Page(page)).map(|()| self.listed(PlacedRoom { room: room(), world: Some(world()) }))
    }

    async fn get(&self, _: &Caller, _: AgentId, id: RoomId) -> ServiceResult<PlacedRoom> {
        self.note(Call::Room(id)).map(|()| PlacedRoom { room: room(), world: Some(world()) })
    }

    async fn create(&self, _: &Caller, _: AgentId, new: NewRoom) -> ServiceResult<PlacedRoom> {
        self.note(Call::CreateRoom(new)).map(|()| PlacedRoom { room: room(), world: None })
    }

    async fn rename(&self, _: &Caller, _: AgentId, id: RoomId, name: String) -> ServiceResult<PlacedRoom> {
        self.note(Call::RenameRoom(id, name)).map(|()| PlacedRoom { room: room(), world: None })
    }

    async fn remove(&self, _: &Caller, _: AgentId, id: RoomId) -> ServiceResult<()> {
        self.note(Call::Room(id))
    }

    /// The first agent is there, and others are not.
    async fn create_group(&self, _: &Caller, group: NewGroup) -> ServiceResult<CreatedGroup> {
        let missing = group.agents.iter().skip(1).copied().collect();
        self.note(Call::CreateGroup(group)).map(|()| CreatedGroup { rooms: vec![room()], missing })
    }

    async fn remove_group(&self, _: &Caller, server: MessageServerId) -> ServiceResult<()> {
        self.note(Call::RemoveServer(server))
    }

    async fn clear_group(&self, _: &Caller, _: MessageServerId) -> ServiceResult<()> {
        self.note(Call::Other("clear group"))
    }
}

#[async_trait]
impl KnowledgeService for Fakes {
    async fn add(&self, _: &Caller, _: AgentId, document: NewDocument) -> ServiceResult<AddedDocument> {
        let existing = *self.repeated.lock().unwrap();
        self.note(Call::AddDocument(document)).map(|()| AddedDocument { document: memory(), existing })
    }

    async fn list(&self, _: &Caller, _: AgentId, page: Page) -> ServiceResult<ListedMemories> {
        self.note(Call::Page(page)).map(|()| self.listed_memories())
    }

    async fn get(&self, _: &Caller, _: AgentId, id: MemoryId) -> ServiceResult<Memory> {
        self.note(Call::Memory(id)).map(|()| memory())
    }

    async fn remove(&self, _: &Caller, _: AgentId, id: MemoryId) -> ServiceResult<()> {
        self.note(Call::RemoveMemory(id))
    }
}

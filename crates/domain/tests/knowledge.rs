//! Documents that are handed in.

#![expect(clippy::unwrap_used, reason = "what a test prepares may fail only loudly")]

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use core_types::knowledge::{
    DocumentReader, DocumentText, FilesUnavailable, Format, KnowledgeFile, KnowledgeFiles, KnowledgeService, NewDocument,
    UnreadableDocument,
};
use core_types::{Caller, JsonObject, ServiceError};
use doolittle_domain::{Access, Knowledge, KnowledgePorts};
use testkit::house::{House, Plan};
use testkit::scripted_provider::ScriptedProvider;
use tokio::sync::Semaphore;

/// Reads no document before it may.
struct Waiting {
    begun: Semaphore,
    may_go_on: Semaphore,
}

#[async_trait]
impl DocumentReader for Waiting {
    async fn read(&self, _: Format, source: Bytes) -> Result<DocumentText, UnreadableDocument> {
        self.begun.add_permits(1);
        let _permit = self.may_go_on.acquire().await.unwrap();
        Ok(DocumentText { text: format!("words of {source:?}"), title: None, headings: false })
    }
}

struct NoFiles;

#[async_trait]
impl KnowledgeFiles for NoFiles {
    async fn find(&self, _: &str) -> Result<Vec<KnowledgeFile>, FilesUnavailable> {
        Ok(Vec::new())
    }

    async fn read(&self, _: &KnowledgeFile) -> Result<Bytes, FilesUnavailable> {
        Err(FilesUnavailable { message: "there are no files here".to_owned() })
    }
}

fn document(number: u32) -> NewDocument {
    NewDocument { title: None, format: Format::Pdf, source: number.to_string().into(), metadata: JsonObject::new() }
}

#[tokio::test]
async fn so_many_documents_are_taken_in_at_once_and_the_next_waits_a_while() {
    let house = House::open(Plan::with(Arc::new(ScriptedProvider::saying("pong")))).await;
    let agent = house.agent_named("Eliza").await;
    let reader = Arc::new(Waiting { begun: Semaphore::new(0), may_go_on: Semaphore::new(0) });
    let knowledge = Arc::new(Knowledge::new(KnowledgePorts {
        agents: house.store.agents(),
        access: Access::new(house.store.access()),
        memories: house.store.memories(),
        reader: reader.clone(),
        files: Arc::new(NoFiles),
        clock: house.clock.clone(),
    }));
    let add = |number| {
        let knowledge = Arc::clone(&knowledge);
        async move { knowledge.add(&Caller::owner(), agent, document(number)).await }
    };
    let adding: Vec<_> = (0..8).map(|number| tokio::spawn(add(number))).collect();
    reader.begun.acquire_many(8).await.unwrap().forget();
    assert!(matches!(add(8).await, Err(ServiceError::Overloaded { .. })), "not for ever");
    let next = tokio::spawn(add(8));
    reader.may_go_on.add_permits(1);
    for added in adding {
        added.await.unwrap().unwrap();
    }
    assert!(next.await.unwrap().is_ok(), "what is done makes room");
}

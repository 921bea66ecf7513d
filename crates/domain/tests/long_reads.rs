//! Reads that may take long leave the database to others.

#![expect(clippy::unwrap_used, reason = "what a test prepares may fail only loudly")]

use std::sync::Arc;

use async_trait::async_trait;
use core_types::agents::{AgentService, CreateAgent};
use core_types::memory::{MESSAGES, MemoryFilter, MemorySearch, MemoryService};
use core_types::messaging::{MessageSearch, MessagingService};
use core_types::runs::{LogEntry, LogFilter, Run, RunFilter, RunRepository, RunService, RunStatus};
use core_types::{
    AgentId, Caller, Credential, Listed, LogId, Page, Permission, Reach, RunId, ServiceError, ServiceResult, StoreResult, Tenant, Timestamp,
};
use doolittle_domain::{Access, Memories, Runs};
use serde_json::json;
use testkit::house::{House, Plan, person};
use testkit::scripted_provider::ScriptedProvider;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Answers no filtered list of runs before it may.
struct Slow {
    runs: Arc<dyn RunRepository>,
    begun: Semaphore,
    may_go_on: Semaphore,
}

#[async_trait]
impl RunRepository for Slow {
    async fn list(&self, agent: AgentId, filter: RunFilter, page: Page) -> StoreResult<Listed<Run>> {
        if filter.status.is_some() {
            self.begun.add_permits(1);
            self.may_go_on.acquire().await.unwrap().forget();
        }
        self.runs.list(agent, filter, page).await
    }

    async fn find(&self, agent: AgentId, id: RunId) -> StoreResult<Option<Run>> {
        self.runs.find(agent, id).await
    }

    async fn logs(&self, agent: AgentId, filter: LogFilter) -> StoreResult<Vec<LogEntry>> {
        self.runs.logs(agent, filter).await
    }

    async fn all_logs(&self, filter: LogFilter) -> StoreResult<Vec<LogEntry>> {
        self.runs.all_logs(filter).await
    }

    async fn add_log(&self, entry: LogEntry) -> StoreResult<()> {
        self.runs.add_log(entry).await
    }

    async fn remove_log(&self, agent: AgentId, id: LogId) -> StoreResult<()> {
        self.runs.remove_log(agent, id).await
    }

    async fn logs_beyond(&self, keep: u32) -> StoreResult<Option<Timestamp>> {
        self.runs.logs_beyond(keep).await
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        self.runs.prune(before, limit).await
    }
}

fn tenant(name: &str) -> Caller {
    let reach = Reach { tenant: Tenant::new(name).unwrap(), servers: Vec::new(), person: None };
    let permissions = vec![Permission::AgentsRead, Permission::AgentsWrite, Permission::MemoriesRead, Permission::MessagesRead];
    Caller::tenant(Arc::new(Credential { key: None, permissions, reach, expires_at: None }))
}

async fn agent_of(house: &House, caller: &Caller) -> AgentId {
    let character = CreateAgent::Character(json!({"name": "Eliza", "bio": "An agent in a test."}));
    house.agents.create(caller, character).await.unwrap().id
}

/// Runs of a house whose filtered lists wait.
fn slow_runs(house: &House) -> (Arc<Runs>, Arc<Slow>) {
    let slow = Arc::new(Slow { runs: house.store.runs(), begun: Semaphore::new(0), may_go_on: Semaphore::new(0) });
    let (access, reads) = (Access::new(house.store.access()), house.agents.reads.clone());
    (Arc::new(Runs { agents: house.store.agents(), access, runs: slow.clone(), reads }), slow)
}

/// Begins to read such a list, which takes a place.
fn reading(runs: &Arc<Runs>, caller: &Caller, agent: AgentId) -> JoinHandle<ServiceResult<Listed<Run>>> {
    let (runs, caller) = (Arc::clone(runs), caller.clone());
    let completed = RunFilter { status: Some(RunStatus::Completed), ..RunFilter::default() };
    tokio::spawn(async move { runs.list(&caller, agent, completed, Page::first(10)).await })
}

fn memories(house: &House) -> Memories {
    Memories {
        agents: house.store.agents(),
        access: Access::new(house.store.access()),
        memories: house.store.memories(),
        messages: house.store.messages(),
        vectors: None,
        reads: house.agents.reads.clone(),
    }
}

fn is_refused<T>(answer: &ServiceResult<T>) -> bool {
    matches!(answer, Err(ServiceError::Overloaded { .. }))
}

#[tokio::test]
async fn a_tenant_that_reads_much_at_once_waits_behind_itself_alone() {
    let house = House::open(Plan::with(Arc::new(ScriptedProvider::saying("pong")))).await;
    let (one, other) = (tenant("one"), tenant("other"));
    let (agent, others) = (agent_of(&house, &one).await, agent_of(&house, &other).await);
    let ((runs, slow), memories) = (slow_runs(&house), memories(&house));
    let first = Page::first(10);
    let two = [reading(&runs, &one, agent), reading(&runs, &one, agent)];
    slow.begun.acquire_many(2).await.unwrap().forget();

    let search = || MemorySearch { text: "kite".to_owned(), filter: MemoryFilter::table(MESSAGES), limit: 10, threshold: None };
    let messages = MessageSearch { limit: 10, ..MessageSearch::default() };
    let of_entity = MemoryFilter { entity: Some(person(1)), ..MemoryFilter::table(MESSAGES) };
    let of_kind = LogFilter { kind: Some("action".to_owned()), limit: 10, ..LogFilter::default() };
    let long = tokio::join!(
        memories.search(&one, agent, search()),
        memories.list(&one, agent, of_entity, first),
        house.messaging.search(&one, messages.clone()),
        runs.logs(&one, agent, of_kind),
        house.agents.list(&one),
    );
    let refused = [is_refused(&long.0), is_refused(&long.1), is_refused(&long.2), is_refused(&long.3), is_refused(&long.4)];
    assert_eq!(refused, [true; 5], "all of these wait for the same places, and not for ever");
    assert!(memories.list(&one, agent, MemoryFilter::table(MESSAGES), first).await.is_ok(), "an index leads to it");
    assert!(runs.list(&one, agent, RunFilter::default(), first).await.is_ok(), "an index leads to it");
    assert!(memories.search(&other, others, search()).await.is_ok() && house.messaging.search(&other, messages).await.is_ok());
    assert_eq!(house.agents.list(&Caller::owner()).await.unwrap().len(), 2, "the owner is held up by no tenant");

    slow.may_go_on.add_permits(2);
    for list in two {
        list.await.unwrap().unwrap();
    }
    assert!(memories.search(&one, agent, search()).await.is_ok(), "what is done makes room");
}

#[tokio::test]
async fn a_page_that_may_be_megabytes_waits_for_a_place_and_a_usual_one_does_not() {
    let house = House::open(Plan::with(Arc::new(ScriptedProvider::saying("pong")))).await;
    let owner = Caller::owner();
    let agent = house.agent_named("Eliza").await;
    let channel = house.channel("GROUP", &[person(1)], json!({})).await;
    let ((runs, slow), memories) = (slow_runs(&house), memories(&house));
    let eight: Vec<_> = (0..8).map(|_| reading(&runs, &owner, agent)).collect();
    slow.begun.acquire_many(8).await.unwrap().forget();

    let (usual, long, title, remembered) = tokio::join!(
        house.messaging.page(&owner, channel, None, 100, None),
        house.messaging.page(&owner, channel, None, 101, None),
        house.messaging.title(&owner, channel, agent, None, 101),
        memories.list(&owner, agent, MemoryFilter::table(MESSAGES), Page::first(101)),
    );
    assert!(usual.is_ok(), "{usual:?}");
    assert_eq!([is_refused(&long), is_refused(&title), is_refused(&remembered)], [true; 3], "all places are taken");

    slow.may_go_on.add_permits(8);
    for list in eight {
        list.await.unwrap().unwrap();
    }
    assert!(house.messaging.page(&owner, channel, None, 1000, None).await.is_ok(), "what is done makes room");
}

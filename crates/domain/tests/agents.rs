//! Agents over a real store: the order of the list, updates that meet, and who is told.

#![expect(clippy::expect_used, reason = "a helper of a test fails by panicking, like the test")]

use std::sync::Arc;

use core_types::agents::{Added, Agent, AgentCount, AgentRepository, AgentService, AgentSummary, CreateAgent};
use core_types::bus::BusEvent;
use core_types::memory::AgentPlane;
use core_types::messaging::ChannelEvent;
use core_types::secrets::{SealedSecret, SecretChange};
use core_types::{AgentId, Caller, InvalidCode, JsonObject, Reach, ServiceError, StoreError, StoreResult, Thing, Timestamp};
use doolittle_domain::Agents;
use serde_json::{Value, json};
use testkit::house::{House, Plan};
use testkit::scripted_provider::ScriptedProvider;

async fn house() -> House {
    House::open(Plan::with(std::sync::Arc::new(ScriptedProvider::saying("pong")))).await
}

async fn create(house: &House, character: Value) -> AgentId {
    house.agents.create(&Caller::owner(), CreateAgent::Character(character)).await.expect("a character").id
}

async fn named(house: &House, name: &str) -> AgentId {
    create(house, json!({"name": name, "bio": "b"})).await
}

async fn names(house: &House) -> Vec<String> {
    house.agents.list(&Caller::owner()).await.expect("a list").into_iter().map(|agent| agent.name).collect()
}

fn patch(patch: Value) -> JsonObject {
    serde_json::from_value(patch).expect("an object")
}

#[tokio::test]
async fn running_agents_come_first_and_each_half_is_in_the_order_of_a_dictionary() {
    let house = house().await;
    for name in ["ccc", "Zoë", "Bbb", "zoe", "aaa", "Ärger", "arger", "_x", "10", "9", "Ünal", "BBB"] {
        named(&house, name).await;
    }
    let sorted = ["_x", "10", "9", "aaa", "arger", "Ärger", "Bbb", "BBB", "ccc", "Ünal", "zoe", "Zoë"];
    assert_eq!(names(&house).await, sorted);
    for name in ["zoe", "Bbb"] {
        house.agents.start(&Caller::owner(), AgentId::of_name(name)).await.expect("started");
    }
    assert_eq!(names(&house).await[..4], ["Bbb", "zoe", "_x", "10"]);
}

#[tokio::test]
async fn agents_of_the_same_name_are_in_the_order_of_their_ids() {
    let house = house().await;
    for id in ["00000000-0000-4000-8000-000000000002", "00000000-0000-4000-8000-000000000001"] {
        create(&house, json!({"id": id, "name": "Twin", "bio": "b"})).await;
    }
    let ids: Vec<_> = house.agents.list(&Caller::owner()).await.expect("a list").iter().map(|agent| agent.id.to_string()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
}

#[tokio::test]
async fn updates_that_meet_all_hold() {
    let house = house().await;
    let id = named(&house, "Busy").await;
    let patches = [json!({"settings": {"a": 1}}), json!({"settings": {"b": 2}}), json!({"system": "s"}), json!({"secrets": {"K": "v"}})];
    let updates = patches.map(|change| {
        let agents = &house.agents;
        async move { agents.update(&Caller::owner(), id, patch(change)).await }
    });
    let [one, two, three, four] = updates;
    let (one, two, three, four) = tokio::join!(one, two, three, four);
    for updated in [one, two, three, four] {
        updated.expect("no update loses against three others");
    }
    let view = house.agents.get(&Caller::owner(), id).await.expect("an agent");
    assert_eq!(Value::Object(view.agent.character.settings), json!({"a": 1, "b": 2}));
    assert_eq!((view.agent.character.system.as_deref(), view.secret_names), (Some("s"), vec!["K".to_owned()]));
}

#[tokio::test]
async fn every_change_moves_the_version_and_is_told_to_the_workers() {
    let house = house().await;
    let id = named(&house, "Told").await;
    let mut work = house.work().await;
    let before = house.agents.get(&Caller::owner(), id).await.expect("an agent").agent.updated_at;
    let after = house.agents.update(&Caller::owner(), id, patch(json!({"bio": "new"}))).await.expect("updated").agent.updated_at;
    assert!(after > before);
    let owner = Caller::owner();
    house.agents.start(&owner, id).await.expect("started");
    house.agents.restart(&owner, id).await.expect("restarted");
    house.agents.stop(&owner, id).await.expect("stopped");
    house.agents.remove(&owner, id).await.expect("removed");
    // A change, a start, a restart, a stop, a deletion.
    let (changed, restarted) = (BusEvent::AgentChanged(id), BusEvent::AgentRestarted(id));
    for told in [&changed, &changed, &restarted, &changed, &changed] {
        assert_eq!(work.next().await.as_ref(), Ok(told));
    }
    assert!(matches!(house.agents.get(&owner, id).await, Err(ServiceError::NotFound(Thing::Agent))));
}

#[tokio::test]
async fn what_was_stored_as_a_setting_before_it_counted_as_a_secret_is_one_after_a_start() {
    let house = house().await;
    let id = named(&house, "Old").await;
    let (agents, owner) = (house.store.agents(), Caller::owner());
    let mut stored = agents.find(id).await.expect("a store").expect("an agent");
    stored.character.settings.insert("OPENAI_API_KEY".to_owned(), json!("sk-old"));
    let read_at = stored.updated_at;
    assert!(agents.replace(stored, read_at, Vec::new()).await.expect("a store"));

    house.agents.follow_all().await.expect("followed");
    let view = house.agents.get(&owner, id).await.expect("an agent");
    assert!(!view.agent.character.settings.contains_key("OPENAI_API_KEY"));
    assert_eq!(view.secret_names, ["OPENAI_API_KEY"]);
    house.agents.follow_all().await.expect("followed");
    assert_eq!(house.agents.get(&owner, id).await.expect("an agent"), view, "there is nothing more to do");
}

/// The agents of a store, one of which cannot be read. A list shows none, and no more than one is told at once.
struct Torn {
    store: Arc<dyn AgentRepository>,
    torn: AgentId,
}

#[async_trait::async_trait]
impl AgentRepository for Torn {
    async fn add(&self, agent: Agent, secrets: Vec<SealedSecret>) -> StoreResult<Added<Agent>> {
        self.store.add(agent, secrets).await
    }

    async fn find(&self, id: AgentId) -> StoreResult<Option<Agent>> {
        if id == self.torn { Err(StoreError::Defect("torn".into())) } else { self.store.find(id).await }
    }

    async fn list(&self, _: Option<&Reach>) -> StoreResult<Vec<AgentSummary>> {
        Ok(Vec::new())
    }

    async fn ids_after(&self, after: Option<AgentId>, _: u32) -> StoreResult<Vec<AgentId>> {
        self.store.ids_after(after, 1).await
    }

    async fn exists(&self, id: AgentId) -> StoreResult<bool> {
        self.store.exists(id).await
    }

    async fn first_running(&self, reach: Option<&Reach>) -> StoreResult<Option<AgentId>> {
        self.store.first_running(reach).await
    }

    async fn count(&self) -> StoreResult<AgentCount> {
        self.store.count().await
    }

    async fn replace(&self, agent: Agent, read_at: Timestamp, secrets: Vec<SecretChange>) -> StoreResult<bool> {
        self.store.replace(agent, read_at, secrets).await
    }

    async fn start(&self, id: AgentId, own: AgentPlane, now: Timestamp) -> StoreResult<Option<Agent>> {
        self.store.start(id, own, now).await
    }

    async fn restart(&self, id: AgentId, own: AgentPlane, now: Timestamp) -> StoreResult<Option<Agent>> {
        self.store.restart(id, own, now).await
    }

    async fn stop(&self, id: AgentId, now: Timestamp) -> StoreResult<Option<bool>> {
        self.store.stop(id, now).await
    }

    async fn remove(&self, id: AgentId, now: Timestamp) -> StoreResult<Option<Vec<ChannelEvent>>> {
        self.store.remove(id, now).await
    }
}

#[tokio::test]
async fn after_a_start_all_agents_are_looked_at_also_behind_one_that_cannot_be_read() {
    let house = house().await;
    let mut ids = Vec::new();
    for name in ["One", "Two", "Three"] {
        ids.push(named(&house, name).await);
    }
    ids.sort_unstable();
    let (agents, owner) = (house.store.agents(), Caller::owner());
    for id in &ids {
        let mut stored = agents.find(*id).await.expect("a store").expect("an agent");
        stored.character.settings.insert("OPENAI_API_KEY".to_owned(), json!("sk-old"));
        let read_at = stored.updated_at;
        assert!(agents.replace(stored, read_at, Vec::new()).await.expect("a store"));
    }
    let torn = Torn { store: agents, torn: ids[0] };
    Agents { agents: Arc::new(torn), ..house.agents.clone() }.follow_all().await.expect("followed");
    let mut kept = Vec::new();
    for id in ids {
        kept.push(house.agents.get(&owner, id).await.expect("an agent").secret_names.len());
    }
    assert_eq!(kept, [0, 1, 1]);
}

#[tokio::test]
async fn a_refused_update_changes_nothing_not_even_its_good_parts() {
    let house = house().await;
    let id = named(&house, "Whole").await;
    let before = house.agents.get(&Caller::owner(), id).await.expect("an agent");
    let refused = house.agents.update(&Caller::owner(), id, patch(json!({"bio": "new", "secrets": {"K": "v"}, "name": 7}))).await;
    assert!(matches!(refused, Err(ServiceError::Invalid { code: InvalidCode::Update, .. })), "{refused:?}");
    assert_eq!(house.agents.get(&Caller::owner(), id).await.expect("an agent"), before);
}

#[tokio::test]
async fn a_template_is_checked_where_it_is_given_and_left_alone_where_it_is_not() {
    let house = house().await;
    let agents = house.store.agents();
    let id = named(&house, "Eliza").await;
    let before = agents.find(id).await.expect("a store").expect("an agent");
    let mut broken = before.clone();
    broken.character.templates.insert("replyTemplate".to_owned(), json!("{{> a}}"));
    broken.updated_at = before.updated_at.plus_millis(1);
    assert!(agents.replace(broken.clone(), before.updated_at, Vec::new()).await.expect("a store"));
    let update = async |change: Value| house.agents.update(&Caller::owner(), id, patch(change)).await.map(|view| view.agent.character);
    for elsewhere in [json!({"system": "new"}), json!({"system": "newer", "templates": broken.character.templates})] {
        assert_eq!(update(elsewhere).await.expect("an update").templates, broken.character.templates);
    }
    for (template, problem) in [("{{> b}}", "must not have partials"), ("{{#if a}}", "line 1"), ("a {{b c}}", "line 1, column 3: ")] {
        let templates = json!({"replyTemplate": template});
        let refused = update(json!({"templates": templates})).await.expect_err("no template").to_string();
        assert!(refused.starts_with(&format!("templates.replyTemplate: {problem}")), "{refused}");
        let character = CreateAgent::Character(json!({"name": "Other", "bio": "b", "templates": templates}));
        let refused = house.agents.create(&Caller::owner(), character).await.expect_err("no template").to_string();
        assert!(refused.starts_with(&format!("templates.replyTemplate: {problem}")), "{refused}");
    }
    for mended in [json!({"templates": {"replyTemplate": "I am {{agentName}}."}}), json!({"templates": null})] {
        assert_ne!(update(mended).await.expect("an update").templates, broken.character.templates);
    }
}

//! Promises about agents and their secrets.

use core_types::agents::Added;
use core_types::character::{Character, Knowledge};
use core_types::deliveries::DeliveryState;
use core_types::memory::MESSAGES;
use core_types::runs::LogFilter;
use core_types::secrets::{SealedSecret, SecretChange};
use serde_json::json;

use super::Stores;
use super::scene::{Sure, agent, agent_id, at, channel_id, finish_as, memory, object, only, person, plane, trace};

fn secret(name: &str, byte: u8) -> SealedSecret {
    SealedSecret { name: name.to_owned(), sealed: vec![byte, 0, 255] }
}

/// Everything of an agent survives, with the order of keys.
pub async fn an_agent_is_given_back_as_it_was_stored(stores: Stores) {
    let character = Character {
        username: Some("ada".to_owned()),
        system: Some("Be brief.\u{0} \"Quoted\", ünïcode 🦆".to_owned()),
        templates: object(json!({"zeta": "z", "alpha": "a"})),
        knowledge: vec![Knowledge::Text("a fact".to_owned()), Knowledge::Reference(object(json!({"path": "a.md", "shared": true})))],
        settings: object(json!({"z": [1, 2.5, null], "a": {"deep": {"er": ""}}, "big": 18_446_744_073_709_551_615_u64, "float": 1.0})),
        ..agent(1).character
    };
    let given = core_types::agents::Agent { character, enabled: false, created_at: at(3), updated_at: at(4), ..agent(1) };
    assert_eq!(stores.agents.add(given.clone(), Vec::new()).await.sure(), Added::New(given.clone()));
    let found = stores.agents.find(given.id).await.sure().sure();
    assert_eq!(found, given);
    assert_eq!(found.character.templates.keys().collect::<Vec<_>>(), ["zeta", "alpha"], "the order of keys is kept");
    assert_eq!(stores.agents.find(agent_id(2)).await.sure(), None);
}

/// The first one stays, with its secrets.
pub async fn a_taken_agent_id_is_left_as_it_is(stores: Stores) {
    stores.agents.add(agent(1), vec![secret("KEY", 1)]).await.sure();
    let mut other = agent(1);
    "Other".clone_into(&mut other.character.name);
    assert_eq!(stores.agents.add(other, vec![secret("KEY", 2), secret("MORE", 2)]).await.sure(), Added::Existing(agent(1)));
    assert_eq!(stores.agents.find(agent_id(1)).await.sure(), Some(agent(1)));
    assert_eq!(stores.secrets.list(agent_id(1)).await.sure(), [secret("KEY", 1)]);
}

/// A list shows what it needs of each agent.
pub async fn the_list_shows_names_bios_and_who_runs(stores: Stores) {
    assert_eq!(stores.agents.list().await.sure(), []);
    stores.agents.add(agent(1), Vec::new()).await.sure();
    stores.running_agent(2).await;
    let mut list = stores.agents.list().await.sure();
    list.sort_by(|one, other| one.name.cmp(&other.name));
    let seen: Vec<_> = list.iter().map(|agent| (agent.id, agent.name.as_str(), agent.bio.as_str(), agent.running)).collect();
    assert_eq!(seen, [(agent_id(1), "Agent 1", "Knows things.", false), (agent_id(2), "Agent 2", "Knows things.", true)]);
}

/// Of two who read the same version, one wins.
pub async fn a_replacement_needs_the_version_that_was_read(stores: Stores) {
    stores.running_agent(1).await;
    let read = stores.agents.find(agent_id(1)).await.sure().sure();
    let mut first = read.clone();
    "First".clone_into(&mut first.character.name);
    first.enabled = false;
    first.running = false;
    first.updated_at = read.updated_at.plus_millis(1);
    let mut second = read.clone();
    "Second".clone_into(&mut second.character.name);
    assert!(stores.agents.replace(first, read.updated_at, Vec::new()).await.sure());
    assert!(!stores.agents.replace(second, read.updated_at, vec![SecretChange::Put(secret("KEY", 1))]).await.sure());
    let found = stores.agents.find(agent_id(1)).await.sure().sure();
    assert_eq!((found.character.name.as_str(), found.enabled), ("First", false));
    assert!(found.running, "whether it runs is not replaced");
    assert!(found.updated_at > read.updated_at, "a version grows");
    assert_eq!(only(stores.agents.list().await.sure()).name, "First");
    assert_eq!(stores.secrets.list(agent_id(1)).await.sure(), []);
}

/// Secrets are put, overwritten and removed, and listed by name.
pub async fn secrets_change_together_with_their_agent(stores: Stores) {
    stores.agents.add(agent(1), vec![secret("b", 1), secret("C", 1), secret("A", 1)]).await.sure();
    stores.agents.add(agent(2), vec![secret("A", 9)]).await.sure();
    assert_eq!(stores.secrets.list(agent_id(1)).await.sure(), [secret("A", 1), secret("C", 1), secret("b", 1)]);
    let changes = vec![
        SecretChange::Put(secret("C", 2)),
        SecretChange::Put(secret("D", 2)),
        SecretChange::Remove("b".to_owned()),
        SecretChange::Remove("unknown".to_owned()),
    ];
    let mut next = agent(1);
    next.updated_at = at(1);
    assert!(stores.agents.replace(next, at(0), changes).await.sure());
    assert_eq!(stores.secrets.list(agent_id(1)).await.sure(), [secret("A", 1), secret("C", 2), secret("D", 2)]);
    assert_eq!(stores.secrets.list(agent_id(2)).await.sure(), [secret("A", 9)]);
    assert_eq!(stores.secrets.list(agent_id(3)).await.sure(), []);
}

/// Starting again changes nothing; the version grows even if the clock does not.
pub async fn starting_is_a_new_version_once(stores: Stores) {
    stores.agents.add(agent(1), Vec::new()).await.sure();
    let own = plane(agent_id(1), channel_id(1), &[]);
    let started = stores.agents.start(agent_id(1), own.clone(), at(-5)).await.sure().sure();
    assert!(started.running && started.updated_at > at(0), "{started:?}");
    assert_eq!(stores.agents.start(agent_id(1), own.clone(), at(99)).await.sure(), Some(started.clone()));
    assert_eq!(stores.agents.find(agent_id(1)).await.sure(), Some(started));
    assert_eq!(stores.memories.worlds(agent_id(1)).await.sure(), std::slice::from_ref(&own.world));
    assert_eq!(stores.agents.start(agent_id(2), plane(agent_id(2), channel_id(1), &[]), at(1)).await.sure(), None);
    assert_eq!(stores.memories.worlds(agent_id(2)).await.sure(), []);
}

/// Stopping a stopped agent and an unknown one are told apart.
pub async fn stopping_tells_whether_the_agent_ran(stores: Stores) {
    stores.running_agent(1).await;
    let running = stores.agents.find(agent_id(1)).await.sure().sure();
    assert_eq!(stores.agents.stop(agent_id(1), at(0)).await.sure(), Some(true));
    let stopped = stores.agents.find(agent_id(1)).await.sure().sure();
    assert!(!stopped.running && stopped.updated_at > running.updated_at);
    assert_eq!(stores.agents.stop(agent_id(1), at(9)).await.sure(), Some(false));
    assert_eq!(stores.agents.find(agent_id(1)).await.sure(), Some(stopped));
    assert_eq!(stores.agents.stop(agent_id(2), at(9)).await.sure(), None);
}

/// Nothing of it is left, and nothing of others is touched.
pub async fn removing_an_agent_removes_all_that_is_its_own(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let mut finish = finish_as(&claimed, DeliveryState::Ignored, at(1));
    finish.memories = vec![memory(1, agent, channel, person(1), "hello")];
    finish.trace = Some(trace(1, &claimed, at(1)));
    stores.deliveries.finish(finish).await.sure().sure();
    let read_at = stores.agents.find(agent).await.sure().sure();
    let version = read_at.updated_at;
    assert!(stores.agents.replace(read_at, version, vec![SecretChange::Put(secret("KEY", 1))]).await.sure());
    let other = stores.running_agent(2).await;

    assert!(stores.agents.remove(agent, at(2)).await.sure());
    assert!(!stores.agents.remove(agent, at(3)).await.sure());

    assert_eq!(stores.agents.find(agent).await.sure(), None);
    assert_eq!(stores.secrets.list(agent).await.sure(), []);
    assert_eq!(stores.memories.worlds(agent).await.sure(), []);
    assert_eq!(stores.memories.list(agent, MESSAGES, None, 10).await.sure(), []);
    assert_eq!(stores.runs.list(agent, 10).await.sure(), []);
    assert_eq!(stores.runs.logs(agent, LogFilter { limit: 10, ..LogFilter::default() }).await.sure(), []);
    assert_eq!(stores.channels.participants(channel).await.sure(), [person(1)]);
    assert_eq!(stores.memories.worlds(other).await.sure().len(), 1);
    assert!(stores.messages.find(claimed.message.id).await.sure().is_some(), "messages stay");
    assert_eq!(stores.state_of(&claimed).await, DeliveryState::Ignored, "an end is an end");
}

/// Pending and claimed ones alike end, and the id can be used again without inheriting any.
pub async fn removing_an_agent_cancels_its_open_deliveries(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let waiting = only(stores.say(2, channel, person(1)).await.deliveries);
    let other = stores.running_agent(2).await;
    let channel = stores.open_channel(2, &[other.into()]).await;
    let others = only(stores.say(3, channel, person(1)).await.deliveries);

    assert!(stores.agents.remove(agent, at(2)).await.sure());

    assert_eq!(stores.state_of(&claimed).await, DeliveryState::Cancelled);
    assert_eq!(stores.deliveries.find(waiting.id).await.sure().sure().state, DeliveryState::Cancelled);
    assert_eq!(stores.deliveries.find(others.id).await.sure().sure().state, DeliveryState::Pending);
    assert_eq!(stores.running_agent(1).await, agent);
    assert_eq!(only(stores.claim(10, at(9)).await).delivery.id, others.id);
}

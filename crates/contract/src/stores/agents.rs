//! Promises about agents and their secrets.

use core_types::Page;
use core_types::agents::Added;
use core_types::character::{Character, Knowledge};
use core_types::deliveries::{Busy, DeliveryState};
use core_types::memory::{MESSAGES, MemoryFilter};
use core_types::messaging::EventBody;
use core_types::runs::LogFilter;
use core_types::secrets::{SealedSecret, SecretChange};
use serde_json::json;
use tokio::task::JoinSet;

use super::Stores;
use super::scene::{Sure, agent, agent_id, at, channel_id, finish_as, memory, object, only, person, plane, tenant, trace};

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
    assert_eq!(stores.agents.list(None).await.sure(), []);
    stores.agents.add(agent(1), Vec::new()).await.sure();
    stores.running_agent(2).await;
    let mut list = stores.agents.list(None).await.sure();
    list.sort_by(|one, other| one.name.cmp(&other.name));
    let seen: Vec<_> = list.iter().map(|agent| (agent.id, agent.name.as_str(), agent.bio.as_str(), agent.running)).collect();
    assert_eq!(seen, [(agent_id(1), "Agent 1", "Knows things.", false), (agent_id(2), "Agent 2", "Knows things.", true)]);
}

/// Each once, in the order of their ids, whoever owns them and whether they run or not.
pub async fn all_agents_are_gone_through_in_portions(stores: Stores) {
    assert_eq!(stores.agents.ids_after(None, 10).await.sure(), []);
    for number in [5, 1, 4, 2] {
        let owner = (number == 4).then(|| tenant("a"));
        stores.agents.add(core_types::agents::Agent { owner, ..agent(number) }, Vec::new()).await.sure();
    }
    stores.running_agent(3).await;
    let mut seen: Vec<core_types::AgentId> = Vec::new();
    loop {
        let portion = stores.agents.ids_after(seen.last().copied(), 2).await.sure();
        assert!(portion.len() <= 2, "{portion:?}");
        if portion.is_empty() {
            break;
        }
        seen.extend(portion);
    }
    assert_eq!(seen, [1, 2, 3, 4, 5].map(agent_id));
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
    assert_eq!(only(stores.agents.list(None).await.sure()).name, "First");
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
    assert_eq!(stores.worlds_of(agent_id(1)).await, std::slice::from_ref(&own.world));
    assert_eq!(stores.agents.start(agent_id(2), plane(agent_id(2), channel_id(1), &[]), at(1)).await.sure(), None);
    assert_eq!(stores.worlds_of(agent_id(2)).await, []);
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

/// One that did not run is started.
pub async fn a_restart_is_a_new_version_each_time(stores: Stores) {
    stores.agents.add(agent(1), Vec::new()).await.sure();
    let own = plane(agent_id(1), channel_id(1), &[]);
    let mut version = at(0);
    for now in [9, 9, -5] {
        let restarted = stores.agents.restart(agent_id(1), own.clone(), at(now)).await.sure().sure();
        assert!(restarted.running && restarted.updated_at > version, "{restarted:?}");
        version = restarted.updated_at;
        assert_eq!(stores.agents.find(agent_id(1)).await.sure(), Some(restarted));
    }
    assert_eq!(stores.worlds_of(agent_id(1)).await, std::slice::from_ref(&own.world));
    assert_eq!(stores.agents.restart(agent_id(2), plane(agent_id(2), channel_id(1), &[]), at(9)).await.sure(), None);
    assert_eq!(stores.worlds_of(agent_id(2)).await, []);
}

/// It is not stopped at any moment.
pub async fn what_is_posted_while_an_agent_is_restarted_is_for_it_too(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let mut tasks = JoinSet::new();
    for number in 0..4 {
        let stores = stores.clone();
        let channel = stores.open_channel(number, &[agent.into()]).await;
        tasks.spawn(async move {
            for turn in 0..16 {
                assert_eq!(only(stores.say(number * 16 + turn, channel, person(1)).await.deliveries).agent_id, agent);
            }
        });
    }
    for now in 0..16 {
        assert!(stores.agents.restart(agent, plane(agent, channel_id(1), &[]), at(now)).await.sure().is_some());
        assert_eq!(stores.agents.first_running(None).await.sure(), Some(agent));
    }
    while let Some(done) = tasks.join_next().await {
        done.sure();
    }
}

/// Whichever comes first, none misses it, and who stops it last leaves it stopped.
pub async fn starts_and_stops_at_once_all_find_the_agent(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let mut tasks = JoinSet::new();
    for number in 0..8 {
        let stores = stores.clone();
        tasks.spawn(async move {
            for turn in 0..4 {
                let (own, now) = (plane(agent, channel_id(1), &[]), at(number * 4 + turn));
                assert!(stores.agents.start(agent, own, now).await.sure().is_some());
                assert!(stores.agents.stop(agent, now).await.sure().is_some());
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.sure();
    }
    assert_eq!(stores.agents.stop(agent, at(99)).await.sure(), Some(false));
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

    assert_eq!(stores.agents.remove(agent, at(2)).await.sure(), Some(Vec::new()));
    assert_eq!(stores.agents.remove(agent, at(3)).await.sure(), None);

    assert_eq!(stores.agents.find(agent).await.sure(), None);
    assert_eq!(stores.secrets.list(agent).await.sure(), []);
    assert_eq!(stores.worlds_of(agent).await, []);
    assert_eq!(stores.memories.list(agent, MemoryFilter::table(MESSAGES), Page::first(10)).await.sure().items, []);
    assert_eq!(stores.runs_of(agent).await, []);
    assert_eq!(stores.runs.logs(agent, LogFilter { limit: 10, ..LogFilter::default() }).await.sure(), []);
    assert_eq!(stores.channels.participants(channel).await.sure(), [person(1)]);
    assert_eq!(stores.worlds_of(other).await.len(), 1);
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

    assert_eq!(stores.agents.remove(agent, at(2)).await.sure().map(|told| told.len()), Some(2));

    assert_eq!(stores.state_of(&claimed).await, DeliveryState::Cancelled);
    assert_eq!(stores.deliveries.find(waiting.id).await.sure().sure().state, DeliveryState::Cancelled);
    assert_eq!(stores.deliveries.find(others.id).await.sure().sure().state, DeliveryState::Pending);
    assert_eq!(stores.running_agent(1).await, agent);
    assert_eq!(only(stores.claim(10, at(9)).await).delivery.id, others.id);
}

/// Each channel's readers, in the channel's order; those of other agents' deliveries are told nothing.
pub async fn removing_an_agent_tells_the_readers_of_its_channels(stores: Stores) {
    let (one, two) = (stores.running_agent(1).await, stores.running_agent(2).await);
    let (here, there) = (stores.open_channel(1, &[one.into(), two.into()]).await, stores.open_channel(2, &[one.into()]).await);
    let mut open = Vec::new();
    for (number, channel) in [(1, here), (2, there), (3, here)] {
        let deliveries = stores.say(number, channel, person(1)).await.deliveries;
        open.push((channel, deliveries.into_iter().find(|delivery| delivery.agent_id == one).sure()));
    }
    let done = only(stores.claim(1, at(0)).await);
    stores.deliveries.finish(finish_as(&done, DeliveryState::Ignored, at(1))).await.sure().sure();
    open.retain(|(_, delivery)| delivery.id != done.delivery.id);

    let told = stores.agents.remove(one, at(50)).await.sure().sure();

    let mut ended = Vec::new();
    for channel in [here, there] {
        let events: Vec<_> = told.iter().filter(|event| event.channel_id == channel).cloned().collect();
        let first = events.first().sure().seq;
        assert_eq!(stores.messages.events(channel, first - 1, 10).await.sure(), events, "stored as they are told, and last");
        for event in events {
            let EventBody::Complete(Some(completion)) = event.body else { panic!("no completion: {event:?}") };
            assert_eq!((completion.agent_id, completion.state, event.created_at), (one, DeliveryState::Cancelled, at(50)));
            ended.push((channel, completion.delivery_id, completion.message_id));
        }
    }
    open.sort_by_key(|(channel, _)| *channel != here);
    assert_eq!(ended, open.iter().map(|(channel, delivery)| (*channel, delivery.id, delivery.message_id)).collect::<Vec<_>>());
    assert_eq!(told.len(), ended.len());
}

/// Neither waits for ever for the other, and no delivery stays open.
pub async fn removals_and_posts_at_once_leave_no_open_delivery(stores: Stores) {
    for round in 0..6 {
        let agents = [stores.running_agent(round * 2).await, stores.running_agent(round * 2 + 1).await];
        let members = agents.map(core_types::EntityId::from);
        let mut tasks = JoinSet::new();
        for number in 0..4 {
            let (stores, number) = (stores.clone(), round * 4 + number);
            let channel = stores.open_channel(number, &members).await;
            tasks.spawn(async move {
                for turn in 0..4 {
                    stores.say(number * 4 + turn, channel, person(1)).await;
                }
            });
        }
        for agent in agents {
            let stores = stores.clone();
            tasks.spawn(async move { assert!(stores.agents.remove(agent, at(1)).await.sure().is_some()) });
        }
        while let Some(done) = tasks.join_next().await {
            done.sure();
        }
        for number in round * 4..round * 4 + 4 {
            let (mut woken, mut ended) = (0, 0);
            for event in stores.messages.events(channel_id(number), 0, 100).await.sure() {
                match event.body {
                    EventBody::Message(_) => woken += 1,
                    _ => ended += 1,
                }
            }
            assert!(woken == 4 && ended <= 8, "{woken} messages, {ended} ends");
        }
    }
    assert_eq!(stores.deliveries.next_due(Busy::default()).await.sure(), None);
    assert_eq!(stores.claim(100, at(9)).await, []);
}

/// By when it was created.
pub async fn the_first_of_those_that_run_is_the_oldest(stores: Stores) {
    assert_eq!(stores.agents.first_running(None).await.sure(), None);
    for (number, created) in [(1, 30), (2, 10), (3, 20)] {
        let agent = core_types::agents::Agent { created_at: at(created), ..agent(number) };
        stores.agents.add(agent, Vec::new()).await.sure();
    }
    assert_eq!(stores.agents.first_running(None).await.sure(), None);
    for (number, first) in [(1, 1), (3, 3), (2, 2)] {
        stores.agents.start(agent_id(number), plane(agent_id(number), channel_id(number), &[]), at(40)).await.sure().sure();
        assert_eq!(stores.agents.first_running(None).await.sure(), Some(agent_id(first)));
    }
    stores.agents.stop(agent_id(2), at(50)).await.sure();
    assert_eq!(stores.agents.first_running(None).await.sure(), Some(agent_id(3)));
}

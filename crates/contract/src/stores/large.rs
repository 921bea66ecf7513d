//! Promises about what is large: it is read a part at a time, and whoever goes on gets all.

use std::future::Future;
use std::sync::Arc;

use core_types::agents::{Agent, LISTED_BIO};
use core_types::character::{Character, OneOrMany};
use core_types::memory::{AgentPlane, Room};
use core_types::messaging::{Channel, MessageSearch, MessageServer, PAGE_BYTES, SEARCHED_BYTES};
use core_types::worlds::World;
use core_types::{AgentId, JsonObject, Listed, MessageServerId, Page, Reach, RoomId, WorldId};
use serde_json::json;
use uuid::Uuid;

use super::Stores;
use super::scene::{
    Sure, agent, agent_id, at, channel, channel_id, draft, message_id, object, person, plane, post_of, reach, server, tenant, written,
};

/// Metadata of which a page holds two.
fn large() -> JsonObject {
    object(json!({"note": "é".repeat(PAGE_BYTES / 6)}))
}

/// The pages of somebody who goes on behind the last entry of each, every one of which must tell the length of the list.
async fn pages<T, N, F: Future<Output = Listed<T>>>(total: u64, list: impl Fn(Page) -> F, name: impl Fn(T) -> N) -> Vec<Vec<N>> {
    let (mut pages, mut offset) = (Vec::new(), 0);
    loop {
        let listed = list(Page { offset, limit: 100 }).await;
        assert_eq!(listed.total, total);
        if listed.items.is_empty() {
            return pages;
        }
        offset += u32::try_from(listed.items.len()).sure();
        pages.push(listed.items.into_iter().map(&name).collect::<Vec<_>>());
    }
}

/// By all of their metadata and topic; one channel is a page whatever its size.
pub async fn a_list_of_large_channels_is_shorter_and_whoever_goes_on_gets_all(stores: Stores) {
    for number in 1..=6 {
        let metadata = match number {
            4 => JsonObject::new(),
            6 => object(json!({"note": "x".repeat(PAGE_BYTES + 1)})),
            _ => large(),
        };
        let topic = (number == 4).then(|| "t".repeat(PAGE_BYTES / 3));
        stores.channels.add(Channel { metadata, topic, ..channel(number) }, Vec::new()).await.sure();
    }
    let list = |page| {
        let channels = Arc::clone(&stores.channels);
        async move { channels.list(None, MessageServerId::DEFAULT, page).await.sure() }
    };
    let expected = [vec![1, 2], vec![3, 4], vec![5], vec![6]].map(|page| page.into_iter().map(channel_id).collect::<Vec<_>>());
    assert_eq!(pages(6, list, |channel| channel.id).await, expected);
}

/// The same of message servers.
pub async fn a_list_of_large_servers_is_shorter_and_whoever_goes_on_gets_all(stores: Stores) {
    for number in 1..=3 {
        let owner = Some(tenant("a"));
        stores.servers.add(MessageServer { metadata: large(), owner, ..server(number) }).await.sure();
    }
    for reach in [None, Some(reach("a"))] {
        let list = |page| {
            let (servers, reach) = (Arc::clone(&stores.servers), reach.clone());
            async move { servers.list(reach.as_ref(), page).await.sure() }
        };
        let expected = [vec![server(1).id, server(2).id], vec![server(3).id, MessageServerId::DEFAULT]];
        assert_eq!(pages(4, list, |server| server.id).await, expected);
    }
}

/// The same of worlds: an agent's own, and those of all that run.
pub async fn a_list_of_large_worlds_is_shorter_and_whoever_goes_on_gets_all(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let id = |number: u128| WorldId::new(Uuid::from_u128(0x6000 + number));
    for number in 1..=3 {
        let world = World { id: id(number), metadata: large(), created_at: at(50), ..plane(agent, channel_id(1), &[]).world };
        stores.worlds.add(world).await.sure().sure();
    }
    let expected = [vec![agent.world_of(MessageServerId::DEFAULT), id(1), id(2)], vec![id(3)]];
    let own = |page| {
        let worlds = Arc::clone(&stores.worlds);
        async move { worlds.list(agent, page).await.sure() }
    };
    assert_eq!(pages(4, own, |world| world.id).await, expected);
    let of_running = |page| {
        let worlds = Arc::clone(&stores.worlds);
        async move { worlds.of_running(None, page).await.sure() }
    };
    assert_eq!(pages(4, of_running, |world| world.id).await, expected);
}

/// The same of rooms, which are shown with their worlds.
pub async fn a_list_of_rooms_of_a_large_world_is_shorter_and_whoever_goes_on_gets_all(stores: Stores) {
    let agent = stores.agents.add(agent(1), Vec::new()).await.sure().into_inner().id;
    let id = |number| RoomId::new(Uuid::from_u128(0x7000 + number));
    for number in 1..=3 {
        let AgentPlane { world, room, entities } = plane(agent, channel_id(number), &[]);
        let (world, room) = (World { metadata: large(), ..world }, Room { id: id(number), channel_id: None, ..room });
        stores.rooms.add(AgentPlane { world, room, entities }).await.sure().sure();
    }
    let list = |page| {
        let rooms = Arc::clone(&stores.rooms);
        async move { rooms.list(agent, page).await.sure() }
    };
    assert_eq!(pages(3, list, |placed| placed.room.id).await, [vec![id(1), id(2)], vec![id(3)]]);
}

fn named(number: u128, name: &str, bio: &str) -> Agent {
    let character = Character { name: name.to_owned(), bio: OneOrMany::One(bio.to_owned()), ..Character::default() };
    Agent { character, ..agent(number) }
}

/// The agent itself keeps all of it.
pub async fn a_list_of_agents_shows_the_beginning_of_a_long_bio(stores: Stores) {
    let (long, fitting) = ("é".repeat(LISTED_BIO + 1), "é".repeat(LISTED_BIO));
    stores.agents.add(named(1, "Long", &long), Vec::new()).await.sure();
    stores.agents.add(named(2, "Fitting", &fitting), Vec::new()).await.sure();
    let mut listed = stores.agents.list(None).await.sure();
    listed.sort_by_key(|agent| agent.id);
    let bios: Vec<String> = listed.into_iter().map(|agent| agent.bio).collect();
    assert_eq!(bios, [format!("{fitting}…"), fitting]);
    assert_eq!(stores.agents.find(agent_id(1)).await.sure().sure().character.bio, OneOrMany::One(long));
}

/// However much others have put into a list, own agents are in it, and of the others those that run.
pub async fn own_agents_are_listed_before_others(stores: Stores) {
    stores.servers.add(server(1)).await.sure();
    let half = "x".repeat(PAGE_BYTES / 2);
    for (number, owner) in [(1, Some("a")), (2, Some("a")), (3, Some("a")), (4, None), (5, None), (6, Some("b"))] {
        let name = if owner == Some("a") { half.as_str() } else { "Small" };
        let added = Agent { owner: owner.map(tenant), ..named(number, name, "") };
        stores.agents.add(added, Vec::new()).await.sure();
        stores.servers.link(server(1).id, agent_id(number)).await.sure();
    }
    stores.agents.start(agent_id(2), plane(agent_id(2), channel_id(1), &[]), at(0)).await.sure().sure();
    let b = Reach { servers: vec![server(1).id], ..reach("b") };
    for (reach, own) in [(None, &[4, 5][..]), (Some(&b), &[6])] {
        let listed: Vec<AgentId> = stores.agents.list(reach).await.sure().into_iter().map(|agent| agent.id).collect();
        let is_listed = |number: u128| listed.contains(&agent_id(number));
        assert!(own.iter().all(|number| is_listed(*number)), "{reach:?}: {listed:?}");
        assert!(is_listed(2) && !is_listed(1) && !is_listed(3), "of the others those that run, and no more than a page: {listed:?}");
    }
}

/// So many bytes are looked at and no more, and the answer says how far; whoever goes on from there finds the rest.
pub async fn a_search_of_long_messages_says_how_far_it_is(stores: Stores) {
    let owner = Some(tenant("a"));
    stores.channels.add(Channel { owner, ..channel(1) }, Vec::new()).await.sure();
    let long = "x".repeat(usize::try_from(SEARCHED_BYTES).sure() / 16);
    for number in 1..=18 {
        let text = if number == 1 { "a needle" } else { long.as_str() };
        let now = at(i64::try_from(number).sure() * 10);
        written(stores.messages.post(post_of(draft(number, channel_id(1), person(1), text), now)).await.sure());
    }
    let a = reach("a");
    for (reach, channel) in [(None, Some(channel_id(1))), (None, None), (Some(&a), None)] {
        let search = MessageSearch { words: vec!["needle".to_owned()], channel, limit: 10, ..MessageSearch::default() };
        let found = stores.messages.search(reach, search.clone()).await.sure();
        assert_eq!((found.messages, found.searched_to), (Vec::new(), Some(at(30))), "{reach:?} {channel:?}");
        let newest = MessageSearch { words: Vec::new(), limit: 1, ..search.clone() };
        let found = stores.messages.search(reach, newest).await.sure();
        assert_eq!(found.messages.first().map(|message| message.id), Some(message_id(18)));
        if channel.is_some() || reach.is_some() {
            let rest = MessageSearch { to: Some(at(30)), ..search };
            let found = stores.messages.search(reach, rest).await.sure();
            assert_eq!((found.messages.first().map(|message| message.id), found.searched_to), (Some(message_id(1)), None));
        }
    }
}

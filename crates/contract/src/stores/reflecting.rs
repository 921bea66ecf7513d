//! Promises about how far agents have looked back.

use core_types::memory::{AgentPlane, AloneWith, FACTS, MESSAGES, Memory, MemoryFilter, Origin, Reflection, RoomQuery};
use core_types::messaging::Channel;
use core_types::{AgentId, Page};

use super::Stores;
use super::scene::{Sure, agent_id, at, channel, channel_id, finish_as, memory, memory_id, person, plane, tenant};

/// A room with the agent in it, and `count` memories of a conversation there, numbered from 1.
async fn conversation(stores: &Stores, count: u128) -> (AgentId, core_types::RoomId) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let mut finish = finish_as(&claimed, core_types::deliveries::DeliveryState::Ignored, at(1));
    finish.memories.clear();
    let AgentPlane { room, .. } = finish.plane.clone().sure();
    stores.deliveries.finish(finish).await.sure().sure();
    let said = (1..=count).map(|number| said(number, agent, channel));
    assert_eq!(stores.memories.add(said.collect()).await.sure(), u64::try_from(count).sure());
    (agent, room.id)
}

fn said(number: u128, agent: AgentId, channel: core_types::ChannelId) -> Memory {
    Memory { created_at: at(i64::try_from(number).sure()), ..memory(number, agent, channel, person(1), &format!("line {number}")) }
}

fn fact(number: u128, agent: AgentId) -> Memory {
    Memory { table: FACTS.to_owned(), ..memory(number, agent, channel_id(1), person(1), &format!("fact {number}")) }
}

/// Once.
pub async fn what_was_said_is_looked_back_at_until_it_was(stores: Stores) {
    let (agent, room) = conversation(&stores, 3).await;
    let first = stores.reflections.unreflected(agent, room, 10).await.sure();
    let texts: Vec<_> = first.said.iter().map(Memory::text).collect();
    assert_eq!((texts.as_slice(), first.facts.len()), (["line 1", "line 2", "line 3"].as_slice(), 0));
    assert_eq!(first.entities.iter().map(|entity| entity.id).collect::<Vec<_>>(), [person(1)]);
    let look = Reflection { agent, room, upto: first.upto, kept: vec![(memory_id(2), fact(50, agent))] };
    assert_eq!(stores.reflections.reflect(look.clone()).await.sure(), Some(1));
    let again = Reflection { kept: vec![(memory_id(2), fact(51, agent))], ..look };
    assert_eq!(stores.reflections.reflect(again).await.sure(), None, "somebody has looked so far");

    stores.memories.add(vec![said(4, agent, channel_id(1))]).await.sure();
    let next = stores.reflections.unreflected(agent, room, 10).await.sure();
    assert_eq!(next.said.iter().map(Memory::text).collect::<Vec<_>>(), ["line 4"]);
    assert_eq!(next.facts.iter().map(Memory::text).collect::<Vec<_>>(), ["fact 50"]);
    let newest = stores.reflections.unreflected(agent, room, 1).await.sure();
    assert_eq!((newest.said.len(), newest.upto), (1, next.upto));
}

/// The memory was reverted while the agent thought about it.
pub async fn what_was_concluded_from_what_is_gone_is_not_kept(stores: Stores) {
    let (agent, room) = conversation(&stores, 2).await;
    let upto = stores.reflections.unreflected(agent, room, 10).await.sure().upto;
    assert_eq!(stores.memories.remove_all(agent, MemoryFilter::id(memory_id(1))).await.sure(), 1);
    let kept = vec![(memory_id(1), fact(50, agent)), (memory_id(2), fact(51, agent)), (memory_id(2), fact(51, agent))];
    assert_eq!(stores.reflections.reflect(Reflection { agent, room, upto, kept }).await.sure(), Some(1));
    let facts = stores.memories.list(agent, MemoryFilter::table(FACTS), Page::first(10)).await.sure().items;
    assert_eq!(facts.iter().map(Memory::text).collect::<Vec<_>>(), ["fact 51"]);
}

/// Neither for an agent nor in a room that is gone.
pub async fn nothing_is_kept_for_nobody(stores: Stores) {
    let (agent, room) = conversation(&stores, 1).await;
    let nobody = agent_id(77);
    assert_eq!(stores.reflections.unreflected(nobody, room, 10).await.sure().said, []);
    let look = |agent, upto| Reflection { agent, room, upto, kept: vec![(memory_id(1), fact(50, agent))] };
    assert_eq!(stores.reflections.reflect(look(nobody, 99)).await.sure(), None);
    assert!(stores.agents.remove(agent, at(9)).await.sure().is_some());
    assert_eq!(stores.reflections.reflect(look(agent, 99)).await.sure(), None);
}

/// As many as were asked for or more.
pub async fn rooms_with_enough_to_look_back_at_are_known(stores: Stores) {
    let (agent, room) = conversation(&stores, 3).await;
    assert_eq!(stores.reflections.rooms_to_reflect(3, 10).await.sure(), [(agent, room)]);
    assert_eq!(stores.reflections.rooms_to_reflect(4, 10).await.sure(), []);
    assert_eq!(stores.reflections.rooms_to_reflect(3, 0).await.sure(), []);
    let upto = stores.reflections.unreflected(agent, room, 10).await.sure().upto;
    stores.reflections.reflect(Reflection { agent, room, upto, kept: Vec::new() }).await.sure().sure();
    assert_eq!(stores.reflections.rooms_to_reflect(1, 10).await.sure(), []);
}

/// In other rooms only what that person told, and only where it is asked for.
pub async fn facts_from_elsewhere_are_those_of_one_person(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let fact = |number, channel, author| {
        let origin = Origin { author: Some(person(author)), ..Origin::default() };
        let text = format!("fact {number}");
        Memory { table: FACTS.to_owned(), origin, ..memory(number, agent, channel_id(channel), person(author), &text) }
    };
    let not_a_fact = Memory { table: MESSAGES.to_owned(), ..fact(9, 2, 1) };
    stores.memories.add(vec![fact(1, 1, 1), fact(2, 1, 2), fact(3, 2, 1), fact(4, 2, 2), not_a_fact]).await.sure();
    stores.open_channel(1, &[]).await;
    let mut query = RoomQuery::conversation(agent.room_of(channel_id(1)), 10, 10);
    let texts = |facts: &[Memory]| facts.iter().map(|fact| fact.text().to_owned()).collect::<Vec<_>>();
    assert_eq!(texts(&stores.memories.room_context(agent, query.clone()).await.sure().facts), ["fact 2", "fact 1"]);
    query.alone_with = Some(AloneWith { person: person(1), channel: channel_id(1) });
    assert_eq!(texts(&stores.memories.room_context(agent, query).await.sure().facts), ["fact 2", "fact 1", "fact 3"]);
}

/// Whoever has a key may speak in anybody's name, so that what the same author said to others was said by another person.
pub async fn facts_from_elsewhere_are_those_of_one_owner(stores: Stores) {
    let agent = stores.running_agent(1).await;
    for (number, owner) in [(1, None), (2, None), (3, tenant("b").into()), (4, tenant("b").into()), (5, tenant("c").into())] {
        stores.channels.add(Channel { owner, ..channel(number) }, Vec::new()).await.sure();
        stores.rooms.add(plane(agent, channel_id(number), &[person(1)])).await.sure().sure();
    }
    let fact = |number: u128| {
        let origin = Origin { author: Some(person(1)), ..Origin::default() };
        let text = format!("fact {number}");
        Memory { table: FACTS.to_owned(), origin, ..memory(number, agent, channel_id(number), person(1), &text) }
    };
    // The last one came with the agent, which is the server's, and has no channel here.
    stores.memories.add((1..=6).map(fact).collect()).await.sure();
    for (number, told) in [(1, vec![1, 2, 6]), (3, vec![3, 4]), (5, vec![5])] {
        let alone_with = Some(AloneWith { person: person(1), channel: channel_id(number) });
        let query = RoomQuery { alone_with, ..RoomQuery::conversation(agent.room_of(channel_id(number)), 10, 10) };
        let mut facts: Vec<_> = stores.memories.room_context(agent, query).await.sure().facts.iter().map(|fact| fact.id).collect();
        facts.sort_unstable();
        assert_eq!(facts, told.into_iter().map(memory_id).collect::<Vec<_>>(), "channel {number}");
    }
}

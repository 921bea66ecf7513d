//! Promises about removals that take much along, which stores may make in several transactions.

use core_types::memory::{FACTS, MESSAGES, Memory, MemoryFilter};
use core_types::messaging::EventBody;
use core_types::{AgentId, ChannelId, Page};

use super::Stores;
use super::edits::assert_cleared;
use super::scene::{Sure, at, channel_id, finish_with_reply, memory, memory_id, only, person};

/// More than a store takes away at once.
const MUCH: u128 = 450;

/// An agent in a channel in which it said much, and remembers it. Its last message answers the first one, so that it knows the room.
async fn much_said(stores: &Stores) -> (AgentId, ChannelId) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    stores.deliveries.finish(finish_with_reply(&claimed, "a reply", at(1))).await.sure().sure();
    for number in 0..MUCH {
        stores.say(1_000 + number, channel, agent.into()).await;
    }
    let memories = (0..MUCH).map(|number| memory(1_000 + number, agent, channel, agent.into(), "said"));
    let fact = Memory { id: memory_id(9), table: FACTS.to_owned(), ..memory(9, agent, channel, person(1), "a fact") };
    stores.memories.add(memories.chain([fact]).collect()).await.sure();
    (agent, channel)
}

async fn remembers(stores: &Stores, agent: AgentId, table: &str) -> usize {
    stores.memories.list(agent, MemoryFilter::table(table), Page::first(10)).await.sure().items.len()
}

/// Who waits for an answer is told that none comes, facts stay, and the order goes on.
pub async fn a_long_conversation_is_cleared_as_a_short_one(stores: Stores) {
    let (agent, channel) = much_said(&stores).await;
    let open = only(stores.say(8, channel, person(1)).await.deliveries);
    let last = stores.messages.last_seq(channel).await.sure().sure();
    let told = stores.messages.clear(channel, at(5)).await.sure();
    assert_cleared(&told, open.id, last);
    assert_eq!(stores.messages.list(channel, None, 10).await.sure(), []);
    assert_eq!((remembers(&stores, agent, MESSAGES).await, remembers(&stores, agent, FACTS).await), (0, 1));
    assert_eq!(stores.messages.events(channel, 0, 1).await.sure().first().map(|event| event.seq), Some(1));
    assert_eq!(stores.say(9, channel, person(1)).await.message.seq, last + 3);
}

/// Nothing else goes with them.
pub async fn a_long_channel_goes_with_all_that_was_said_there(stores: Stores) {
    let (agent, channel) = much_said(&stores).await;
    let kept = stores.open_channel(2, &[person(1)]).await;
    stores.say(7, kept, person(1)).await;
    stores.memories.add(vec![memory(7, agent, channel_id(2), person(1), "kept")]).await.sure();
    let last = stores.messages.last_seq(channel).await.sure().sure();
    let told = stores.channels.remove(channel, at(5)).await.sure().sure();
    assert_eq!((told.channel_id, told.seq, told.body), (channel, last + 1, EventBody::ChannelDeleted));
    assert_eq!(stores.channels.find(channel).await.sure(), None);
    assert_eq!(stores.messages.list(channel, None, 10).await.sure(), []);
    assert_eq!(stores.messages.events(channel, 0, 10).await.sure(), []);
    assert_eq!((remembers(&stores, agent, MESSAGES).await, remembers(&stores, agent, FACTS).await), (1, 0));
    assert_eq!(stores.messages.list(kept, None, 10).await.sure().len(), 1);
    assert_eq!(stores.channels.remove(channel, at(6)).await.sure(), None);
}

/// The end of each is told.
pub async fn a_message_server_goes_with_its_long_channels(stores: Stores) {
    let (agent, channel) = much_said(&stores).await;
    let server = stores.channels.find(channel).await.sure().sure().server_id;
    let short = stores.open_channel(2, &[]).await;
    let ends = stores.servers.remove(server, at(5)).await.sure().sure();
    let mut ended: Vec<_> = ends.iter().map(|end| end.channel_id).collect();
    ended.sort_unstable();
    let mut channels = vec![channel, short];
    channels.sort_unstable();
    assert_eq!(ended, channels);
    assert_eq!(stores.messages.list(channel, None, 10).await.sure(), []);
    assert_eq!(remembers(&stores, agent, MESSAGES).await, 0);
}

/// What it said stays where it was said.
pub async fn an_agent_goes_with_much_that_it_remembers(stores: Stores) {
    let (agent, channel) = much_said(&stores).await;
    stores.agents.remove(agent, at(5)).await.sure().sure();
    assert_eq!(stores.agents.find(agent).await.sure(), None);
    assert_eq!((remembers(&stores, agent, MESSAGES).await, remembers(&stores, agent, FACTS).await), (0, 0));
    assert_eq!(stores.messages.list(channel, None, 10).await.sure().len(), 10);
    assert_eq!(stores.agents.remove(agent, at(6)).await.sure(), None);
}

//! Promises about removals that take much along, which stores may make in several transactions.

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use core_types::memory::{FACTS, MESSAGES, Memory, MemoryFilter};
use core_types::messaging::{Channel, EventBody};
use core_types::{AgentId, ChannelId, MessageId, MessageServerId, Page};

use super::Stores;
use super::edits::assert_cleared;
use super::scene::{ALL, Sure, at, channel, channel_id, finish_with_reply, memory, memory_id, only, person, server};

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

/// So often somebody asks: with the answers these are more messages than a store takes away in two steps.
const QUESTIONS: u128 = 240;

/// A reply, and the place of the message that it answers.
struct Answer {
    asked: i64,
    reply: MessageId,
}

/// A channel in which an agent has answered every message.
async fn much_answered(stores: &Stores) -> (ChannelId, Vec<Answer>) {
    let agent = stores.running_agent(1).await;
    let channel = stores.open_channel(1, &[person(1), agent.into()]).await;
    let mut answers = Vec::new();
    for number in 0..QUESTIONS {
        let asked = stores.say(1_000 + number, channel, person(1)).await.message.seq;
        let claimed = only(stores.claim(10, at(10_000)).await);
        stores.deliveries.finish(finish_with_reply(&claimed, "a reply", at(10_000))).await.sure().sure();
        answers.push(Answer { asked, reply: claimed.delivery.reply_id });
    }
    (channel, answers)
}

/// A removal that is under way.
type Removal<'r, T> = Pin<Box<dyn Future<Output = T> + Send + 'r>>;

/// Lets a removal come as far as to its next wait for the database, and no further.
async fn once<T>(removal: &mut Removal<'_, T>) -> Poll<T> {
    poll_fn(|context| Poll::Ready(removal.as_mut().poll(context))).await
}

/// How many of the replies are there. Whoever misses one is told why: the channel was cleared after the message, or the events from then
/// are gone, too.
async fn replies_there(stores: &Stores, channel: ChannelId, answers: &[Answer]) -> usize {
    // Before the events: the reason for what is gone now is there already.
    let messages = stores.messages.list(channel, None, 1_000).await.sure();
    let events = stores.messages.events(channel, 0, 1_000).await.sure();
    let there: HashSet<MessageId> = messages.iter().map(|message| message.id).collect();
    let oldest = events.first().map_or(i64::MAX, |event| event.seq);
    let cleared = events.iter().rfind(|event| event.body == EventBody::ChannelCleared).map_or(0, |event| event.seq);
    for Answer { asked, reply } in answers.iter().filter(|answer| !there.contains(&answer.reply)) {
        assert!(*asked < oldest || *asked < cleared, "the answer {reply} to message {asked} is gone, and nothing tells why");
    }
    answers.iter().filter(|answer| there.contains(&answer.reply)).count()
}

/// Makes a removal, and looks at the replies whenever it waits for the database: each state between two transactions is what is left where
/// it ends there.
async fn removed<T>(stores: &Stores, channel: ChannelId, answers: &[Answer], mut removal: Removal<'_, T>) -> T {
    let mut seen = HashSet::new();
    loop {
        let polled = once(&mut removal).await;
        seen.insert(replies_there(stores, channel, answers).await);
        if let Poll::Ready(answer) = polled {
            assert!(seen.len() > 2, "there is nothing between all and none: {seen:?}");
            return answer;
        }
    }
}

/// Readers are told that it begins, and at its end of what was said meanwhile.
pub async fn clearing_that_is_cut_short_tells_why_replies_are_gone(stores: Stores) {
    let (channel, answers) = much_answered(&stores).await;
    let last = stores.messages.last_seq(channel).await.sure().sure();
    let told = removed(&stores, channel, &answers, stores.messages.clear(channel, at(10_001))).await.sure();
    let told: Vec<_> = told.into_iter().map(|event| (event.seq, event.body)).collect();
    assert_eq!(told, [(last + 1, EventBody::ChannelCleared), (last + 2, EventBody::ChannelCleared)]);
    assert_eq!(replies_there(&stores, channel, &answers).await, 0);
}

/// With messages the events go that would tell of them.
pub async fn removing_a_channel_that_is_cut_short_leaves_no_reply_missed(stores: Stores) {
    let (channel, answers) = much_answered(&stores).await;
    let end = removed(&stores, channel, &answers, stores.channels.remove(channel, at(10_001))).await.sure();
    assert_eq!(end.sure().body, EventBody::ChannelDeleted);
    assert_eq!(stores.channels.find(channel).await.sure(), None);
}

/// Who waits for an answer is told that none comes, facts stay, and the order goes on.
pub async fn a_long_conversation_is_cleared_as_a_short_one(stores: Stores) {
    let (agent, channel) = much_said(&stores).await;
    let open = only(stores.say(8, channel, person(1)).await.deliveries);
    let last = stores.messages.last_seq(channel).await.sure().sure();
    let told = stores.messages.clear(channel, at(5)).await.sure();
    let (begins, rest) = told.split_first().sure();
    assert_eq!((begins.seq, &begins.body), (last + 1, &EventBody::ChannelCleared));
    assert_cleared(rest, open.id, last + 1);
    assert_eq!(stores.messages.list(channel, None, 10).await.sure(), []);
    assert_eq!((remembers(&stores, agent, MESSAGES).await, remembers(&stores, agent, FACTS).await), (0, 1));
    assert_eq!(stores.messages.events(channel, 0, 1).await.sure().first().map(|event| event.seq), Some(1));
    assert_eq!(stores.say(9, channel, person(1)).await.message.seq, last + 4);
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

/// A message server with so many short channels.
async fn many_channels(stores: &Stores, count: u128) -> MessageServerId {
    stores.servers.add(server(1)).await.sure();
    for number in 0..count {
        let of_server = Channel { server_id: server(1).id, ..channel(number) };
        stores.channels.add(of_server, Vec::new()).await.sure();
        stores.say(number, channel_id(number), person(1)).await;
    }
    server(1).id
}

/// Whoever posts meanwhile does not wait for all of them. What is cut short is made again.
pub async fn the_channels_of_a_message_server_go_a_few_at_a_time(stores: Stores) {
    let count = 12;
    let server = many_channels(&stores, count).await;
    let all = usize::try_from(count).sure();
    let mut left = all;
    {
        let mut removal = stores.servers.remove(server, at(5));
        while left == all {
            assert!(once(&mut removal).await.is_pending(), "it has ended, and no channel is gone");
            left = stores.channels.list(None, server, ALL).await.sure().items.len();
        }
    }
    assert!(left > 0, "all are gone at once");
    assert!(stores.servers.find(server).await.sure().is_some());
    let ends = stores.servers.remove(server, at(6)).await.sure().sure();
    // What was under way may have been done.
    assert!((left - 1..=left).contains(&ends.len()), "{left} were left: {ends:?}");
    assert!(ends.iter().all(|end| end.body == EventBody::ChannelDeleted && end.seq == 2), "{ends:?}");
    assert_eq!(stores.servers.find(server).await.sure(), None);
    assert_eq!(stores.channels.list(None, server, ALL).await.sure().items, []);
}

/// Also where only one of them finds the server there at its end.
pub async fn two_removals_of_a_message_server_tell_of_each_channel_once(stores: Stores) {
    let count = 12;
    let server = many_channels(&stores, count).await;
    let (one, other) = tokio::join!(stores.servers.remove(server, at(5)), stores.servers.remove(server, at(5)));
    let ends = [one.sure(), other.sure()].into_iter().flatten().flatten();
    let mut ended: Vec<_> = ends.map(|end| end.channel_id).collect();
    ended.sort_unstable();
    assert_eq!(ended, (0..count).map(channel_id).collect::<Vec<_>>());
    assert_eq!(stores.servers.find(server).await.sure(), None);
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

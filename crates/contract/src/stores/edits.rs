//! Promises about changing, deleting and searching messages.

use core_types::deliveries::DeliveryState;
use core_types::memory::{FACTS, MESSAGES, Memory, MemoryFilter};
use core_types::messaging::{ChannelEvent, EventBody, MessageChange, MessagePlace, MessageSearch};
use core_types::{AgentId, ChannelId, DeliveryId, MessageId, Page};
use serde_json::json;

use super::Stores;
use super::scene::{
    Sure, at, channel_id, draft, finish_as, finish_with_reply, memory, memory_id, message_id, only, person, post_of, written,
};

/// A running agent in a channel that has answered a person's message and remembers both.
async fn answered(stores: &Stores) -> (AgentId, ChannelId, MessageId, MessageId) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let mut finish = finish_with_reply(&claimed, "a reply", at(1));
    let heard = Memory { id: agent.memory_of(claimed.message.id), ..memory(1, agent, channel, person(1), "message 1") };
    let said = Memory { id: claimed.delivery.reply_id.uuid().into(), ..memory(2, agent, channel, agent.into(), "a reply") };
    finish.memories = vec![heard, said];
    stores.deliveries.finish(finish).await.sure().sure();
    (agent, channel, claimed.message.id, claimed.delivery.reply_id)
}

async fn remembered(stores: &Stores, agent: AgentId) -> Vec<String> {
    let mut texts: Vec<_> = stores
        .memories
        .list(agent, MemoryFilter::table(MESSAGES), Page::first(10))
        .await
        .sure()
        .items
        .iter()
        .map(|memory| memory.text().to_owned())
        .collect();
    texts.sort_unstable();
    texts
}

/// What is not given stays; the place, and with it the time of creation, does not change.
pub async fn a_change_of_a_message_replaces_what_it_names(stores: Stores) {
    let channel = stores.open_channel(1, &[]).await;
    let mut first = draft(1, channel, person(1), "Executing action: X");
    first.raw = Some(json!({"actionStatus": "executing"}).into());
    first.metadata = json!({"k": 1}).into();
    first.source_type = Some("agent_action".to_owned());
    let before = written(stores.messages.post(post_of(first, at(0))).await.sure()).message;
    let change = MessageChange {
        content: Some("done".to_owned()),
        raw: Some(json!({"actionStatus": "completed"}).into()),
        ..MessageChange::default()
    };
    let (after, event) = stores.messages.update(stores.place(before.id).await, change, at(9)).await.sure().sure();
    assert_eq!((after.content.as_str(), &after.raw), ("done", &Some(json!({"actionStatus": "completed"}).into())));
    assert_eq!((&after.metadata, &after.source_type, after.author_id), (&before.metadata, &before.source_type, before.author_id));
    assert_eq!((after.seq, after.created_at, after.updated_at), (before.seq, before.created_at, at(9)));
    assert_eq!((event.seq, &event.body), (before.seq + 1, &EventBody::MessageUpdated(Some(after.clone()))));
    assert_eq!(stores.messages.find(before.id).await.sure().as_ref(), Some(&*after));
    let events = stores.messages.events(channel, 0, 10).await.sure();
    assert_eq!(events.last().sure(), &event);

    let rest = MessageChange {
        source_type: Some("other".to_owned()),
        metadata: Some(json!({"n": 2}).into()),
        author_id: Some(person(2)),
        in_reply_to: Some(message_id(77)),
        ..MessageChange::default()
    };
    let (after, _) = stores.messages.update(stores.place(before.id).await, rest, at(10)).await.sure().sure();
    assert_eq!((after.source_type.as_deref(), after.author_id, after.in_reply_to), (Some("other"), person(2), None));
    assert_eq!(after.metadata, json!({"n": 2, "inReplyTo": message_id(77)}).into(), "an unknown answered message is kept as metadata");
    assert_eq!(stores.messages.update(stores.place(message_id(99)).await, MessageChange::default(), at(11)).await.sure(), None);
}

/// What was taken back while an agent was asked is not remembered.
pub async fn a_message_that_is_changed_while_it_is_answered_is_remembered_as_it_is_now(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let text = MessageChange { content: Some("redacted".to_owned()), ..MessageChange::default() };
    stores.messages.update(stores.place(claimed.message.id).await, text, at(0)).await.sure().sure();
    let mut finish = finish_with_reply(&claimed, "a reply", at(1));
    let heard = Memory { id: agent.memory_of(claimed.message.id), ..memory(1, agent, channel, person(1), "a secret") };
    finish.memories = vec![heard, memory(2, agent, channel, agent.into(), "a reply")];
    stores.deliveries.finish(finish).await.sure().sure();
    assert_eq!(remembered(&stores, agent).await, ["a reply", "redacted"]);
}

/// Of what others said and of what it said itself.
pub async fn agents_remember_a_changed_message_as_it_is_now(stores: Stores) {
    let (agent, _, message, reply) = answered(&stores).await;
    let text = |text: &str| MessageChange { content: Some(text.to_owned()), ..MessageChange::default() };
    stores.messages.update(stores.place(message).await, text("changed"), at(2)).await.sure().sure();
    stores.messages.update(stores.place(reply).await, text("taken back"), at(3)).await.sure().sure();
    assert_eq!(remembered(&stores, agent).await, ["changed", "taken back"]);
    // Whoever is named as its author since: it was the agent that said it.
    let named = MessageChange { author_id: Some(person(2)), ..text("said by another") };
    stores.messages.update(stores.place(reply).await, named, at(4)).await.sure().sure();
    stores.messages.update(stores.place(reply).await, text("changed again"), at(5)).await.sure().sure();
    assert_eq!(remembered(&stores, agent).await, ["changed", "changed again"]);
    stores.messages.remove(stores.place(reply).await, at(6)).await.sure();
    assert_eq!(remembered(&stores, agent).await, ["changed"]);
}

/// Deleting is forgetting; the answer to it stays, but answers nothing any more.
pub async fn removing_a_message_forgets_it(stores: Stores) {
    let (agent, channel, message, reply) = answered(&stores).await;
    let last = stores.messages.last_seq(channel).await.sure().sure();
    let told = only(stores.messages.remove(stores.place(message).await, at(2)).await.sure());
    assert_eq!((told.seq, &told.body), (last + 1, &EventBody::MessageDeleted(message)));
    assert_eq!(stores.messages.find(message).await.sure(), None);
    assert_eq!(remembered(&stores, agent).await, ["a reply"]);
    assert_eq!(stores.messages.find(reply).await.sure().sure().in_reply_to, None);
    let events = stores.messages.events(channel, 0, 10).await.sure();
    assert_eq!(events.first().sure().body, EventBody::Message(None), "its event tells nothing of it any more");
    assert_eq!(events.last().sure(), &told);
    assert_eq!(stores.messages.remove(stores.place(message).await, at(3)).await.sure(), []);
}

/// Clients choose ids: who was let to change a message does nothing to another that has its id by now, there or elsewhere.
pub async fn what_was_read_is_what_is_changed(stores: Stores) {
    let (channel, other) = (stores.open_channel(1, &[]).await, stores.open_channel(2, &[]).await);
    let mut read = stores.say(1, channel, person(1)).await.message.place();
    for elsewhere in [other, channel] {
        assert!(!stores.messages.remove(read, at(1)).await.sure().is_empty());
        let another = stores.say(1, elsewhere, person(2)).await.message;
        let change = MessageChange { content: Some("changed".to_owned()), ..MessageChange::default() };
        assert_eq!(stores.messages.update(read, change, at(2)).await.sure(), None);
        assert_eq!(stores.messages.remove(read, at(2)).await.sure(), []);
        let still = stores.messages.find(another.id).await.sure().sure();
        assert_eq!((still.content.as_str(), still.place()), ("message 1", another.place()));
        read = another.place();
    }
}

/// A message of another channel is not there.
pub async fn a_message_is_removed_from_its_own_channel_only(stores: Stores) {
    let (channel, other) = (stores.open_channel(1, &[]).await, stores.open_channel(2, &[]).await);
    let message = stores.say(1, channel, person(1)).await.message;
    for elsewhere in [other, channel_id(9)] {
        assert_eq!(stores.messages.remove(MessagePlace { channel_id: elsewhere, ..message.place() }, at(2)).await.sure(), []);
    }
    assert!(stores.messages.find(message.id).await.sure().is_some());
}

/// Whoever works on it has lost it, and what waits behind it goes on.
pub async fn removing_a_message_cancels_its_open_deliveries(stores: Stores) {
    let (_, channel, claimed) = stores.claimed_message().await;
    let waiting = only(stores.say(2, channel, person(1)).await.deliveries);
    let told = stores.messages.remove(stores.place(claimed.message.id).await, at(2)).await.sure();
    let EventBody::Complete(Some(end)) = &told.first().sure().body else { panic!("{told:?}") };
    assert_eq!((end.delivery_id, end.state), (claimed.delivery.id, DeliveryState::Cancelled));
    assert_eq!(stores.deliveries.finish(finish_as(&claimed, DeliveryState::Ignored, at(3))).await.sure(), None);
    assert_eq!(only(stores.claim(10, at(9)).await).delivery.id, waiting.id);
}

/// Readers behind `last` are told that what was open is cancelled, and that the channel is cleared.
#[track_caller]
pub(super) fn assert_cleared(told: &[ChannelEvent], open: DeliveryId, last: i64) {
    let bodies: Vec<_> = told.iter().map(|event| &event.body).collect();
    let [EventBody::Complete(Some(end)), EventBody::ChannelCleared] = bodies[..] else { panic!("{told:?}") };
    assert_eq!((end.delivery_id, end.state), (open, DeliveryState::Cancelled));
    assert_eq!(told.iter().map(|event| event.seq).collect::<Vec<_>>(), [last + 1, last + 2]);
}

/// The channel stays, with its order; facts stay too.
pub async fn clearing_a_channel_forgets_the_conversation(stores: Stores) {
    let (agent, channel, _, _) = answered(&stores).await;
    let fact = Memory { id: memory_id(9), table: FACTS.to_owned(), ..memory(9, agent, channel, person(1), "a fact") };
    stores.memories.add(vec![fact]).await.sure();
    let kept = stores.open_channel(2, &[person(1)]).await;
    stores.say(7, kept, person(1)).await;
    let open = only(stores.say(8, channel, person(1)).await.deliveries);
    let last = stores.messages.last_seq(channel).await.sure().sure();

    let told = stores.messages.clear(channel, at(5)).await.sure();

    assert_cleared(&told, open.id, last);
    assert_eq!(stores.messages.list(channel, None, 10).await.sure(), []);
    assert_eq!(remembered(&stores, agent).await, [""; 0]);
    assert_eq!(only(stores.memories.list(agent, MemoryFilter::table(FACTS), Page::first(10)).await.sure().items).text(), "a fact");
    assert_eq!(stores.messages.list(kept, None, 10).await.sure().len(), 1);
    assert_eq!(stores.say(9, channel, person(1)).await.message.seq, last + 3);
    assert_eq!(stores.messages.clear(channel_id(9), at(6)).await.sure(), []);
}

/// All words in any case and order; newest first; by channel, author and time; in pages.
pub async fn messages_are_found_by_their_words(stores: Stores) {
    let (one, two) = (stores.open_channel(1, &[]).await, stores.open_channel(2, &[]).await);
    for (number, channel, author, text) in [
        (1, one, 1, "Tea in the garden"),
        (2, one, 2, "GARDEN tea, 100% fresh"),
        (3, two, 1, "the garden gate"),
        (4, one, 1, "coffee"),
        (5, one, 1, "Über den Gärten"),
    ] {
        let draft = draft(number, channel, person(author), text);
        let now = at(i64::try_from(number).sure() * 10);
        written(stores.messages.post(post_of(draft, now)).await.sure());
    }
    let all = MessageSearch { limit: 10, ..MessageSearch::default() };
    let words = |words: &[&str]| MessageSearch { words: words.iter().map(|word| (*word).to_owned()).collect(), ..all.clone() };
    for (search, expected) in [
        (words(&["garden"]), &[3, 2, 1][..]),
        (words(&["TEA", "garden"]), &[2, 1]),
        (words(&["100%"]), &[2]),
        (words(&["_"]), &[]),
        (words(&["über", "GÄRTEN"]), &[5]),
        (words(&["nothing of it"]), &[]),
        (words(&[]), &[5, 4, 3, 2, 1]),
        (MessageSearch { channel: Some(one), ..words(&["garden"]) }, &[2, 1]),
        (MessageSearch { author: Some(person(2)), ..all.clone() }, &[2]),
        (MessageSearch { from: Some(at(20)), to: Some(at(40)), ..all.clone() }, &[4, 3, 2]),
        (MessageSearch { channel: Some(one), from: Some(at(20)), to: Some(at(40)), ..all.clone() }, &[4, 2]),
        (MessageSearch { offset: 1, limit: 1, ..words(&["garden"]) }, &[2]),
        (MessageSearch { limit: 0, ..all.clone() }, &[]),
        (MessageSearch { channel: Some(channel_id(9)), ..all.clone() }, &[]),
    ] {
        let found = stores.messages.search(None, search.clone()).await.sure();
        let ids: Vec<_> = found.messages.iter().map(|message| message.id).collect();
        assert_eq!(ids, expected.iter().map(|number| message_id(*number)).collect::<Vec<_>>(), "{search:?}");
        assert_eq!(found.searched_to, None, "{search:?}");
    }
}

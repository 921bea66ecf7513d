//! Promises about ids that callers choose: those of others, of replies to come and of memories can be told in advance, and whoever takes
//! one gets hold of nothing.

use core_types::agents::Agent;
use core_types::deliveries::{DeliveryState, Finish};
use core_types::memory::{KNOWLEDGE, Memory};
use core_types::messaging::{Channel, EventBody, IdempotencyKey, MessageChange, PostMessage, PostOutcome};
use core_types::{AgentId, ChannelId, MemoryId, MessageId, Page};

use super::Stores;
use super::jobs::{asked, job_id};
use super::scene::{
    DAY, Sure, agent, agent_id, at, channel, channel_id, draft, finish_as, finish_with_reply, memory, message_id, person, plane, post_of,
    reach, repeated, server, tenant, written,
};

/// A post of somebody else with this id.
async fn taken(stores: &Stores, id: MessageId, channel: ChannelId) -> PostOutcome {
    let mut other = draft(0, channel, person(9), "mine");
    other.id = id;
    stores.messages.post(post_of(other, at(5))).await.sure()
}

/// An agent that remembers something said in a channel and a piece of a document, and the ids of both.
async fn remembering(stores: &Stores) -> (AgentId, ChannelId, [MemoryId; 2]) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let of_message = Memory { id: agent.memory_of(claimed.message.id), ..memory(1, agent, channel, person(1), "said") };
    let of_document = Memory { table: KNOWLEDGE.to_owned(), ..memory(2, agent, channel, agent.into(), "read") };
    let ids = [of_message.id, of_document.id];
    let finish = Finish { memories: vec![of_message, of_document], ..finish_as(&claimed, DeliveryState::Ignored, at(1)) };
    stores.deliveries.finish(finish).await.sure().sure();
    (agent, channel, ids)
}

async fn texts(stores: &Stores, agent: AgentId, ids: [MemoryId; 2]) -> Vec<String> {
    let mut texts = Vec::new();
    for id in ids {
        let memory = stores.memories.find(agent, id).await.sure();
        texts.push(memory.map_or_else(String::new, |memory| memory.text().to_owned()));
    }
    texts
}

/// Neither what an agent was told elsewhere nor what it has read, nor what it was told here by others.
pub async fn a_message_with_the_id_of_a_memory_changes_and_removes_none(stores: Stores) {
    let (agent, channel, ids) = remembering(&stores).await;
    let elsewhere = stores.open_channel(2, &[person(9)]).await;
    let text = MessageChange { content: Some("changed".to_owned()), ..MessageChange::default() };
    for place in [elsewhere, channel] {
        for id in ids.map(|id| MessageId::new(id.uuid())) {
            written(taken(&stores, id, place).await);
            stores.messages.update(stores.place(id).await, text.clone(), at(6)).await.sure().sure();
            assert_eq!(texts(&stores, agent, ids).await, ["said", "read"]);
            assert!(!stores.messages.remove(stores.place(id).await, at(7)).await.sure().is_empty());
            assert_eq!(texts(&stores, agent, ids).await, ["said", "read"]);
        }
    }
}

/// An agent that came from elsewhere may remember channels that are not here. Whoever makes one of them makes no agent of others forget.
pub async fn a_channel_that_another_tenant_makes_is_not_the_one_that_is_remembered(stores: Stores) {
    let id = agent_id(1);
    stores.agents.add(Agent { owner: Some(tenant("b")), ..agent(1) }, Vec::new()).await.sure();
    stores.agents.start(id, plane(id, channel_id(7), &[person(1)]), at(0)).await.sure().sure();
    let said = Memory { id: id.memory_of(message_id(1)), ..memory(1, id, channel_id(7), person(1), "said") };
    let known = said.id;
    stores.memories.add(vec![said]).await.sure();
    for (owner, made, remembers) in [(Some("a"), at(1), true), (Some("b"), at(DAY + 9), false)] {
        let channel = Channel { owner: owner.map(tenant), created_at: made, ..channel(7) };
        stores.channels.add(channel, vec![person(9)]).await.sure();
        stores.say(1, channel_id(7), person(9)).await;
        let text = MessageChange { content: Some("changed".to_owned()), ..MessageChange::default() };
        stores.messages.update(stores.place(message_id(1)).await, text, at(1)).await.sure().sure();
        let text = stores.memories.find(id, known).await.sure().sure().text().to_owned();
        assert_eq!(text == "said", remembers, "{owner:?}: {text}");
        if remembers {
            stores.messages.remove(stores.place(message_id(1)).await, at(2)).await.sure();
            stores.messages.clear(channel_id(7), at(3)).await.sure();
        }
        stores.channels.remove(channel_id(7), at(4)).await.sure().sure();
        assert_eq!(stores.memories.find(id, known).await.sure().is_some(), remembers, "{owner:?}");
    }
}

/// What an agent remembers of a channel goes with it, also where it does not listen there any more.
pub async fn a_channel_is_forgotten_by_an_agent_that_has_left_its_server(stores: Stores) {
    let id = stores.running_agent(1).await;
    stores.servers.add(server(1)).await.sure();
    stores.servers.link(server(1).id, id).await.sure();
    let place = Channel { owner: Some(tenant("a")), server_id: server(1).id, ..channel(7) };
    stores.channels.add(place, vec![person(1)]).await.sure();
    stores.rooms.add(plane(id, channel_id(7), &[person(1)])).await.sure().sure();
    let said = memory(1, id, channel_id(7), person(1), "said");
    stores.memories.add(vec![said.clone()]).await.sure();
    stores.servers.unlink(server(1).id, id).await.sure();
    stores.channels.remove(channel_id(7), at(4)).await.sure().sure();
    assert_eq!(stores.memories.find(id, said.id).await.sure(), None);
}

/// Where it was, nothing is to be seen of the other message.
pub async fn a_message_with_the_id_of_one_that_is_gone_is_not_told_in_its_place(stores: Stores) {
    let (channel, other) = (stores.open_channel(1, &[]).await, stores.open_channel(2, &[]).await);
    let gone = stores.say(1, channel, person(1)).await.message;
    assert!(!stores.messages.remove(stores.place(gone.id).await, at(2)).await.sure().is_empty());
    written(taken(&stores, gone.id, other).await);
    // Nor of a later one in the same channel.
    assert!(!stores.messages.remove(stores.place(gone.id).await, at(6)).await.sure().is_empty());
    written(taken(&stores, gone.id, channel).await);
    let mut events = stores.messages.events(channel, 0, 10).await.sure();
    let last = events.pop().sure();
    assert!(matches!(&last.body, EventBody::Message(Some(message)) if message.content == "mine"), "{last:?}");
    let bodies: Vec<EventBody> = events.into_iter().map(|event| event.body).collect();
    assert_eq!(bodies, [EventBody::Message(None), EventBody::MessageDeleted(gone.id)]);
}

/// The key stands for what it was used for, and not for what others do with the id.
pub async fn a_repeat_is_not_answered_with_a_message_of_another_channel(stores: Stores) {
    let (channel, other) = (stores.open_channel(1, &[]).await, stores.open_channel(2, &[]).await);
    let key = IdempotencyKey { caller: "c".to_owned(), route: "r".to_owned(), key: "k".to_owned(), body_hash: [1; 32] };
    let post = |number| PostMessage { idempotency: vec![key.clone()], ..post_of(draft(number, channel, person(1), "hello"), at(0)) };
    let first = written(stores.messages.post(post(1)).await.sure()).message;
    assert_eq!(repeated(stores.messages.post(post(2)).await.sure()).message.id, first.id);
    assert!(!stores.messages.remove(stores.place(first.id).await, at(2)).await.sure().is_empty());
    written(taken(&stores, first.id, other).await);
    let again = written(stores.messages.post(post(3)).await.sure()).message;
    assert_eq!((again.id, again.channel_id), (message_id(3), channel));
}

/// What it said there is not told to somebody who does not see the channel any more.
pub async fn a_repeat_is_answered_within_reach_only(stores: Stores) {
    let own = Channel { owner: Some(tenant("a")), ..channel(1) };
    stores.channels.add(own, vec![person(1)]).await.sure();
    let key = IdempotencyKey { caller: "c".to_owned(), route: "r".to_owned(), key: "k".to_owned(), body_hash: [1; 32] };
    let post = |name| PostMessage {
        idempotency: vec![key.clone()],
        reach: Some(reach(name)),
        ..post_of(draft(1, channel_id(1), person(1), "hello"), at(0))
    };
    written(stores.messages.post(post("a")).await.sure());
    repeated(stores.messages.post(post("a")).await.sure());
    assert_eq!(stores.messages.post(post("b")).await.sure(), PostOutcome::NoChannel);
}

/// Neither the question of somebody else nor anything of it.
pub async fn a_job_whose_message_is_gone_tells_nothing_of_another_with_its_id(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let asked = written(stores.messages.post(asked(1, agent, 10, at(0))).await.sure()).message;
    assert_eq!(stores.jobs.find(job_id(1), at(1)).await.sure().sure().prompt, asked.content);
    assert!(!stores.messages.remove(stores.place(asked.id).await, at(1)).await.sure().is_empty());
    let elsewhere = stores.open_channel(2, &[person(9)]).await;
    written(taken(&stores, asked.id, elsewhere).await);
    assert_eq!(stores.jobs.find(job_id(1), at(6)).await.sure(), None);
    assert_eq!(stores.jobs.list(None, None, Page::first(9), at(6)).await.sure().jobs, []);
}

/// Its id is told with its first piece, and kept free for it.
pub async fn nobody_takes_the_id_of_a_reply(stores: Stores) {
    let (_, channel, claimed) = stores.claimed_message().await;
    let reply = claimed.delivery.reply_id;
    let elsewhere = stores.open_channel(2, &[person(9)]).await;
    for place in [elsewhere, channel] {
        assert_eq!(taken(&stores, reply, place).await, PostOutcome::Conflict);
    }
    stores.deliveries.finish(finish_with_reply(&claimed, "a reply", at(2))).await.sure().sure();
    assert_eq!(stores.messages.find(reply).await.sure().sure().content, "a reply");
    // Not even after it was removed.
    assert!(!stores.messages.remove(stores.place(reply).await, at(3)).await.sure().is_empty());
    assert_eq!(taken(&stores, reply, channel).await, PostOutcome::Conflict);
    assert_eq!(stores.state_of(&claimed).await, DeliveryState::Replied);
}

//! Promises about the end of a delivery.

use core_types::deliveries::{DeliveryState, Finish, LEASE_MILLIS};
use core_types::memory::{MESSAGES, MemoryFilter, RoomQuery, RoomState};
use core_types::messaging::{ALLOW_AGENT_TO_AGENT, Channel, EventBody, PostMessage};
use core_types::runs::LogFilter;
use core_types::{AgentId, ChannelId, EntityId, Page, StoreError};
use serde_json::json;

use super::Stores;
use super::scene::{
    Sure, at, channel, channel_id, draft, finish_as, finish_with_reply, memory, object, only, person, post_of, trace, written,
};

/// How much an agent and a channel have: events, messages, memories, runs, log lines.
async fn weight(stores: &Stores, agent: AgentId, channel: ChannelId) -> [usize; 5] {
    let filter = LogFilter { limit: 100, ..LogFilter::default() };
    [
        stores.messages.events(channel, 0, 100).await.sure().len(),
        stores.messages.list(channel, None, 100).await.sure().len(),
        stores.memories.list(agent, MemoryFilter::table(MESSAGES), Page::first(100)).await.sure().items.len(),
        stores.runs_of(agent).await.len(),
        stores.runs.logs(agent, filter).await.sure().len(),
    ]
}

/// The reply, both events, the plane, the memories, the state of the room, the run and its log.
pub async fn a_finish_writes_everything_at_once(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let mut finish = finish_with_reply(&claimed, "a reply", at(1));
    finish.memories = vec![memory(1, agent, channel, person(1), "hello"), memory(2, agent, channel, agent.into(), "a reply")];
    finish.room_state = Some(RoomState::Muted);
    finish.trace = Some(trace(1, &claimed, at(1)));
    let (completion, world) = (finish.completion.clone(), finish.plane.as_ref().sure().world.clone());

    let finished = stores.deliveries.finish(finish).await.sure().sure();

    assert_eq!((finished.woken, finished.frees_next), (Vec::new(), false));
    let reply = stores.messages.find(claimed.delivery.reply_id).await.sure().sure();
    assert_eq!((reply.author_id, reply.in_reply_to, reply.seq), (agent.into(), Some(claimed.message.id), 2));
    assert!(reply.created_at > claimed.message.created_at);
    assert_eq!(stores.messages.events(channel, 1, 10).await.sure(), finished.events);
    let bodies: Vec<_> = finished.events.iter().map(|event| (event.seq, event.body.clone())).collect();
    assert_eq!(bodies, [(2, EventBody::Message(Some(reply.into()))), (3, EventBody::Complete(Some(completion)))]);
    assert_eq!(stores.state_of(&claimed).await, DeliveryState::Replied);
    let context = stores.memories.room_context(agent, RoomQuery::conversation(agent.room_of(channel), 10, 10)).await.sure();
    assert_eq!(context.state, RoomState::Muted);
    assert_eq!(context.recent.iter().map(|memory| memory.text.as_str()).collect::<Vec<_>>(), ["hello", "a reply"]);
    assert_eq!(context.entities.len(), 2);
    assert!(stores.worlds_of(agent).await.contains(&world));
    assert_eq!(weight(&stores, agent, channel).await, [3, 2, 2, 1, 1]);
}

/// The completion alone; the agent's next delivery in the channel can be claimed.
pub async fn a_finish_without_reply_tells_readers_and_frees_the_next(stores: Stores) {
    let (_, channel, claimed) = stores.claimed_message().await;
    stores.say(2, channel, person(2)).await;
    let mut finish = finish_as(&claimed, DeliveryState::Failed, at(5));
    finish.completion.error = Some("the model is gone".to_owned());
    let completion = finish.completion.clone();
    let finished = stores.deliveries.finish(finish).await.sure().sure();
    assert!(finished.frees_next);
    let event = only(finished.events);
    assert_eq!((event.seq, event.created_at, &event.body), (3, at(5), &EventBody::Complete(Some(completion))));
    assert_eq!(stores.messages.events(channel, 2, 10).await.sure(), [event]);
    assert_eq!(stores.state_of(&claimed).await, DeliveryState::Failed);
    assert_eq!(only(stores.claim(10, at(6)).await).message.seq, 2);
}

/// Where nothing is to be remembered, no room is made; what is to be remembered needs one.
pub async fn without_a_plane_a_finish_leaves_the_agents_memory_alone(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let worlds = stores.worlds_of(agent).await;
    let bare = Finish { plane: None, ..finish_as(&claimed, DeliveryState::Failed, at(1)) };
    let memories = vec![memory(1, agent, channel, person(1), "hello")];
    let failed = stores.deliveries.finish(Finish { memories, ..bare.clone() }).await;
    assert!(matches!(failed, Err(StoreError::Defect(_))), "{failed:?}");
    let failed = stores.deliveries.finish(Finish { room_state: Some(RoomState::Muted), ..bare.clone() }).await;
    assert!(matches!(failed, Err(StoreError::Defect(_))), "{failed:?}");
    assert_eq!(stores.state_of(&claimed).await, DeliveryState::Claimed);

    let finished = stores.deliveries.finish(Finish { trace: Some(trace(1, &claimed, at(1))), ..bare }).await.sure().sure();

    assert_eq!(finished.events.len(), 1);
    assert_eq!(stores.state_of(&claimed).await, DeliveryState::Failed);
    assert_eq!(weight(&stores, agent, channel).await, [2, 1, 0, 1, 1]);
    assert_eq!(stores.worlds_of(agent).await, worlds);
    assert_eq!(stores.memories.room_context(agent, RoomQuery::conversation(agent.room_of(channel), 10, 10)).await.sure().entities, []);
}

/// A worker that lost its claim cannot write, and the one that has it can.
pub async fn a_late_finish_writes_nothing(stores: Stores) {
    let (agent, channel, first) = stores.claimed_message().await;
    let second = only(stores.claim(10, at(LEASE_MILLIS)).await);
    let before = weight(&stores, agent, channel).await;
    let mut late = finish_with_reply(&first, "too late", at(1));
    late.memories = vec![memory(1, agent, channel, person(1), "hello")];
    late.room_state = Some(RoomState::Followed);
    late.trace = Some(trace(1, &first, at(1)));
    assert_eq!(stores.deliveries.finish(late).await.sure(), None);
    assert_eq!(weight(&stores, agent, channel).await, before);
    assert_eq!(stores.messages.last_seq(channel).await.sure(), Some(1));
    let context = stores.memories.room_context(agent, RoomQuery::conversation(agent.room_of(channel), 10, 10)).await.sure();
    assert_eq!(context.state, RoomState::None);
    assert_eq!(stores.state_of(&first).await, DeliveryState::Claimed);
    stores.deliveries.finish(finish_with_reply(&second, "in time", at(2))).await.sure().sure();
    assert_eq!(stores.messages.find(second.delivery.reply_id).await.sure().sure().content, "in time");
}

/// The same finish again, one after the other and at the same time.
pub async fn a_finish_happens_once(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let finish = finish_with_reply(&claimed, "a reply", at(1));
    let (one, other) = tokio::join!(stores.deliveries.finish(finish.clone()), stores.deliveries.finish(finish.clone()));
    assert_eq!([one.sure(), other.sure()].iter().flatten().count(), 1);
    assert_eq!(stores.deliveries.finish(finish).await.sure(), None);
    assert_eq!(weight(&stores, agent, channel).await, [3, 2, 0, 0, 0]);
}

/// Its delivery was cancelled with them.
pub async fn after_its_channel_or_agent_is_gone_a_finish_writes_nothing(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let other = stores.open_channel(2, &[agent.into()]).await;
    stores.say(2, other, person(1)).await;
    let second = only(stores.claim(10, at(1)).await);
    stores.channels.remove(channel, at(2)).await.sure().sure();
    let mut finish = finish_with_reply(&claimed, "a reply", at(3));
    finish.memories = vec![memory(1, agent, channel, person(1), "hello")];
    finish.trace = Some(trace(1, &claimed, at(3)));
    assert_eq!(stores.deliveries.finish(finish).await.sure(), None);
    assert_eq!(weight(&stores, agent, channel).await, [0; 5]);
    assert_eq!(stores.state_of(&claimed).await, DeliveryState::Cancelled);

    assert!(stores.agents.remove(agent, at(4)).await.sure().is_some());
    let mut finish = finish_with_reply(&second, "a reply", at(5));
    finish.memories = vec![memory(1, agent, other, person(1), "hello")];
    assert_eq!(stores.deliveries.finish(finish).await.sure(), None);
    assert_eq!(weight(&stores, agent, other).await, [2, 1, 0, 0, 0], "the message and the end of its delivery");
}

/// It is a defect, and the delivery is still held.
pub async fn a_taken_reply_id_undoes_the_whole_finish(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let taken = core_types::messaging::MessageDraft { id: claimed.delivery.reply_id, ..draft(2, channel, person(2), "mine") };
    // Nobody can choose it; it happens all the same.
    let post = PostMessage { id_is_chosen: false, ..post_of(taken, at(0)) };
    written(stores.messages.post(post).await.sure());
    let before = weight(&stores, agent, channel).await;
    let mut finish = finish_with_reply(&claimed, "a reply", at(1));
    finish.memories = vec![memory(1, agent, channel, person(1), "hello")];
    finish.trace = Some(trace(1, &claimed, at(1)));
    let failed = stores.deliveries.finish(finish).await;
    assert!(matches!(failed, Err(StoreError::Defect(_))), "{failed:?}");
    assert_eq!(weight(&stores, agent, channel).await, before);
    assert_eq!(stores.state_of(&claimed).await, DeliveryState::Claimed);
    stores.deliveries.finish(finish_as(&claimed, DeliveryState::Failed, at(2))).await.sure().sure();
}

/// By the same rules as any message of an agent.
pub async fn a_reply_wakes_other_agents_where_the_channel_allows_it(stores: Stores) {
    let (one, two) = (stores.running_agent(1).await, stores.running_agent(2).await);
    let everyone: Vec<EntityId> = vec![person(1), one.into(), two.into()];
    for (number, allowed) in [(1, false), (2, true)] {
        let open = Channel { metadata: object(json!({ALLOW_AGENT_TO_AGENT: allowed})), ..channel(number) };
        stores.channels.add(open, everyone.clone()).await.sure();
        stores.say(number, channel_id(number), person(1)).await;
        let claimed = stores.claim(10, at(1)).await;
        let first = claimed.iter().find(|claimed| claimed.delivery.agent_id == one).sure();
        let second = claimed.iter().find(|claimed| claimed.delivery.agent_id == two).sure();
        let woken = stores.deliveries.finish(finish_with_reply(first, "one", at(2))).await.sure().sure().woken;
        assert_eq!(woken.len(), usize::from(allowed));
        for delivery in woken {
            assert_eq!((delivery.agent_id, delivery.message_id, delivery.must_answer), (two, first.delivery.reply_id, false));
            assert_eq!(stores.deliveries.find(delivery.id).await.sure(), Some(delivery));
        }
        stores.deliveries.finish(finish_as(second, DeliveryState::Ignored, at(3))).await.sure().sure();
        let heard: Vec<_> = stores.claim(10, at(4)).await.iter().map(|claimed| (claimed.delivery.agent_id, claimed.message.id)).collect();
        let expected = if allowed { vec![(two, first.delivery.reply_id)] } else { Vec::new() };
        assert_eq!(heard, expected);
    }
}

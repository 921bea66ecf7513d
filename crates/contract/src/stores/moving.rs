//! Promises about what comes from elsewhere, and about reading all that is an agent's own.

use core_types::deliveries::DeliveryState;
use core_types::memory::{Entity, KeywordSearch, Memory, MemoryFilter, Room, RoomState};
use core_types::messaging::EventKind;
use core_types::moving::{Belonging, Brought, Participant, PastMessage};
use core_types::worlds::World;
use core_types::{AgentId, ChannelId, EntityId, MessageServerId};
use serde_json::json;

use super::Stores;
use super::scene::{
    ALL, Sure, agent, agent_id, at, channel, channel_id, claim_request, draft, memory, memory_id, message_id, object, person, plane,
    post_of, written,
};

/// A world, two entities, a room with both, a document and its fragment; all with something in every field.
fn luggage(agent_id: AgentId) -> Vec<Belonging> {
    let plane = plane(agent_id, channel_id(7), &[person(1)]);
    let world = World { metadata: object(json!({"b": 1, "a": [null]})), created_at: at(-9), ..plane.world };
    let server_id = Some(MessageServerId::DEFAULT);
    let room = Room { metadata: object(json!({"z": {}})), created_at: at(-8), server_id, ..plane.room };
    let known = |entity: Entity| Belonging::Entity(Entity { metadata: object(json!({"source": "x"})), ..entity });
    let of_room = |entity_id: EntityId, state| Belonging::Participant(Participant { agent_id, room_id: room.id, entity_id, state });
    let participants = [of_room(agent_id.into(), Some(RoomState::Muted)), of_room(person(1), None)];
    let document = Memory { table: "documents".to_owned(), unique: false, ..memory(2, agent_id, channel_id(7), agent_id.into(), "A. B.") };
    let fragment = Memory { document_id: Some(document.id), ..memory(1, agent_id, channel_id(7), agent_id.into(), "A.") };
    let mut things = vec![Belonging::World(world)];
    things.extend(plane.entities.into_iter().map(known));
    things.push(Belonging::Room(room));
    things.extend(participants);
    things.extend([document, fragment].map(|memory| Belonging::Memory(Box::new(memory))));
    things
}

/// Everything of an agent's, in pages of this many.
async fn belongings(stores: &Stores, agent: AgentId, limit: u32) -> Vec<Belonging> {
    let own = &stores.belongings;
    let mut all = Vec::new();
    let mut after = None;
    while let page @ [.., _] = own.worlds(agent, after, limit).await.sure().as_slice() {
        after = page.last().map(|world| world.id);
        all.extend(page.iter().cloned().map(Belonging::World));
    }
    let mut after = None;
    while let page @ [.., _] = own.entities(agent, after, limit).await.sure().as_slice() {
        after = page.last().map(|entity| entity.id);
        all.extend(page.iter().cloned().map(Belonging::Entity));
    }
    let mut after = None;
    while let page @ [.., _] = own.rooms(agent, after, limit).await.sure().as_slice() {
        after = page.last().map(|room| room.id);
        all.extend(page.iter().cloned().map(Belonging::Room));
    }
    let mut after = None;
    while let page @ [.., _] = own.participants(agent, after, limit).await.sure().as_slice() {
        after = page.last().map(|participant| (participant.room_id, participant.entity_id));
        all.extend(page.iter().copied().map(Belonging::Participant));
    }
    let mut after = 0;
    while let page @ [.., _] = own.memories(agent, after, limit).await.sure().as_slice() {
        after = page.last().map(|(place, _)| *place).sure();
        all.extend(page.iter().map(|(_, memory)| Belonging::Memory(Box::new(memory.clone()))));
    }
    all
}

/// Again changes nothing, and pages of any size are the whole.
pub async fn what_is_brought_is_read_back_as_it_was(stores: Stores) {
    stores.agents.add(agent(1), Vec::new()).await.sure();
    stores.agents.add(agent(2), Vec::new()).await.sure();
    let things = luggage(agent_id(1));
    assert_eq!(stores.arrivals.bring(things.clone()).await.sure(), vec![Brought::New; things.len()]);
    for limit in [1, 2, 100] {
        assert_eq!(belongings(&stores, agent_id(1), limit).await, things, "in pages of {limit}");
    }
    assert_eq!(stores.arrivals.bring(things.clone()).await.sure(), vec![Brought::Existing; things.len()]);
    assert_eq!(belongings(&stores, agent_id(1), 100).await, things);
    assert_eq!(belongings(&stores, agent_id(2), 100).await, []);
    assert_eq!(stores.memories.list(agent_id(1), MemoryFilter::default(), ALL).await.sure().total, Some(2));
}

/// Nothing of it is written, and what is there stays as it is; the rest of the same batch is stored.
pub async fn what_is_taken_or_homeless_is_left_out(stores: Stores) {
    for number in [1, 2] {
        stores.agents.add(agent(number), Vec::new()).await.sure();
    }
    stores.arrivals.bring(luggage(agent_id(1))).await.sure();
    let before = belongings(&stores, agent_id(1), 100).await;
    let of = |thing: &Belonging, agent_id| match thing.clone() {
        Belonging::World(world) => Belonging::World(World { agent_id, name: "Other".to_owned(), ..world }),
        Belonging::Entity(entity) => Belonging::Entity(Entity { agent_id, ..entity }),
        Belonging::Room(room) => Belonging::Room(Room { agent_id, ..room }),
        Belonging::Participant(participant) => Belonging::Participant(Participant { agent_id, ..participant }),
        Belonging::Memory(memory) => Belonging::Memory(Box::new(Memory { agent_id, ..*memory })),
    };
    let others: Vec<_> = before.iter().map(|thing| of(thing, agent_id(2))).collect();
    let expected =
        [Brought::Taken, Brought::New, Brought::New, Brought::Taken, Brought::Homeless, Brought::Homeless, Brought::Taken, Brought::Taken];
    assert_eq!(stores.arrivals.bring(others).await.sure(), expected);
    let unknown: Vec<_> = before.iter().map(|thing| of(thing, agent_id(9))).collect();
    assert_eq!(stores.arrivals.bring(unknown).await.sure(), vec![Brought::Homeless; before.len()]);
    assert_eq!(belongings(&stores, agent_id(1), 100).await, before);
    assert_eq!(belongings(&stores, agent_id(9), 100).await, []);
}

/// It is a memory of its own then.
pub async fn a_fragment_comes_without_its_document(stores: Stores) {
    stores.agents.add(agent(1), Vec::new()).await.sure();
    let fragment = Memory { document_id: Some(memory_id(99)), ..memory(1, agent_id(1), channel_id(7), person(1), "A.") };
    assert_eq!(stores.arrivals.bring(vec![Belonging::Memory(Box::new(fragment.clone()))]).await.sure(), [Brought::New]);
    let kept = stores.memories.find(agent_id(1), fragment.id).await.sure().sure();
    assert_eq!(kept, Memory { document_id: None, ..fragment });
}

/// What came is found by its words and gets a vector, as if it had been remembered here.
pub async fn memories_that_came_are_found(stores: Stores) {
    stores.agents.add(agent(1), Vec::new()).await.sure();
    stores.arrivals.bring(luggage(agent_id(1))).await.sure();
    let wanting = stores.vectors.wanting(10, Vec::new()).await.sure();
    assert_eq!(wanting.len(), 2);
    let told = memory(5, agent_id(1), channel_id(7), person(1), "tomatoes on a balcony");
    stores.arrivals.bring(vec![Belonging::Memory(Box::new(told))]).await.sure();
    let search = KeywordSearch::new("Balcony?", 5);
    let found = stores.memories.search(agent_id(1), MemoryFilter::default(), search).await.sure();
    assert_eq!(found.iter().map(|ranked| ranked.memory.id).collect::<Vec<_>>(), [memory_id(5)]);
}

fn past(number: u128, channel: ChannelId, author: EntityId, when: i64) -> PastMessage {
    PastMessage { draft: draft(number, channel, author, &format!("line {number}")), created_at: at(when), updated_at: at(when) }
}

/// Times that are equal or go back are put behind the message before; the next post comes behind them all.
pub async fn past_messages_keep_their_order(stores: Stores) {
    stores.channels.add(channel(1), vec![person(1)]).await.sure();
    let one = channel_id(1);
    let mut answer = past(3, one, person(1), 20);
    answer.draft.in_reply_to = Some(message_id(1));
    answer.updated_at = at(99);
    let came = vec![past(1, one, person(1), 10), past(2, one, person(1), 10), answer, past(4, one, person(1), 5)];
    assert_eq!(stores.arrivals.bring_messages(one, came.clone()).await.sure(), [Brought::New; 4]);
    let mut read = stores.messages.list(one, None, 10).await.sure();
    read.reverse();
    let shown: Vec<_> = read.iter().map(|message| (message.id, message.seq, message.created_at, message.updated_at)).collect();
    assert_eq!(
        shown,
        [
            (message_id(1), 1, at(10), at(10)),
            (message_id(2), 2, at(11), at(11)),
            (message_id(3), 3, at(20), at(99)),
            (message_id(4), 4, at(21), at(21)),
        ]
    );
    assert_eq!(read.iter().map(|message| message.in_reply_to).collect::<Vec<_>>(), [None, None, Some(message_id(1)), None]);
    let more: Vec<_> = came.into_iter().chain([past(5, one, person(1), 30)]).collect();
    let expected = [Brought::Existing, Brought::Existing, Brought::Existing, Brought::Existing, Brought::New];
    assert_eq!(stores.arrivals.bring_messages(one, more).await.sure(), expected);
    let next = written(stores.messages.post(post_of(draft(6, one, person(1), "now"), at(3))).await.sure());
    assert_eq!((next.message.seq, next.message.created_at), (6, at(31)));
    let events = stores.messages.events(one, 0, 100).await.sure();
    let seen: Vec<_> = events.iter().map(|event| (event.seq, event.body.kind())).collect();
    assert_eq!(seen, (1..=6).map(|seq| (seq, EventKind::Message)).collect::<Vec<_>>());
}

/// Nobody is asked to answer what is past, and nothing comes into a channel that is not there or to an id of another one.
pub async fn past_messages_are_answered_by_nobody(stores: Stores) {
    let agent = stores.running_agent(1).await;
    for number in [1, 2] {
        stores.channels.add(channel(number), vec![person(1), agent.into()]).await.sure();
    }
    let one = channel_id(1);
    assert_eq!(stores.arrivals.bring_messages(one, vec![past(1, one, person(1), 10)]).await.sure(), [Brought::New]);
    assert_eq!(stores.deliveries.claim(claim_request(10, at(1_000))).await.sure().len(), 0);
    let two = channel_id(2);
    assert_eq!(stores.arrivals.bring_messages(two, vec![past(1, two, person(1), 10)]).await.sure(), [Brought::Taken]);
    assert_eq!(stores.messages.list(two, None, 10).await.sure(), []);
    let none = channel_id(3);
    assert_eq!(stores.arrivals.bring_messages(none, vec![past(7, none, person(1), 10)]).await.sure(), [Brought::Homeless]);
    let posted = written(stores.messages.post(post_of(draft(8, one, person(1), "now"), at(2_000))).await.sure());
    assert_eq!(posted.deliveries.len(), 1, "the next message is heard: {:?}", DeliveryState::Pending);
}

/// Once; what is said afterwards is looked back at as ever.
pub async fn what_came_counts_as_looked_back_at(stores: Stores) {
    stores.agents.add(agent(1), Vec::new()).await.sure();
    let id = agent_id(1);
    stores.arrivals.bring(luggage(id)).await.sure();
    let room = id.room_of(channel_id(7));
    assert_eq!(stores.reflections.unreflected(id, room, 10).await.sure().said.len(), 1);
    assert_eq!(stores.arrivals.looked_back(id).await.sure(), 1);
    assert_eq!(stores.reflections.unreflected(id, room, 10).await.sure().said, []);
    assert_eq!(stores.arrivals.looked_back(id).await.sure(), 0);
    stores.memories.add(vec![memory(30, id, channel_id(7), person(1), "new")]).await.sure();
    assert_eq!(stores.reflections.unreflected(id, room, 10).await.sure().said.len(), 1);
}

use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use core_types::messaging::{ChannelEvent, Completion, Message, StreamItem};
use core_types::{Credential, DeliveryId, Json, Permission, Thing, Timestamp};
use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::turns::Turn;
use super::*;
use crate::holdings::Stock;
use crate::sockets::outbox::End;
use crate::sockets::parcel::Account;

const AUTHOR: u128 = 7;
const KEY: u64 = 1;

fn said(author: u128, seq: i64, client_id: Option<&str>) -> StreamItem {
    let message = Message {
        id: MessageId::new(Uuid::from_u128(seq.unsigned_abs().into())),
        channel_id: ChannelId::new(Uuid::from_u128(1)),
        server_id: MessageServerId::DEFAULT,
        author_id: EntityId::new(Uuid::from_u128(author)),
        author_name: None,
        content: format!("message {seq}"),
        raw: None,
        source_type: None,
        source_id: client_id.map(str::to_owned),
        metadata: Json::default(),
        in_reply_to: None,
        seq,
        created_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(0),
    };
    let body = EventBody::Message(Some(Arc::new(message)));
    StreamItem::Event(Arc::new(ChannelEvent {
        channel_id: ChannelId::new(Uuid::from_u128(1)),
        seq,
        body,
        created_at: Timestamp::from_millis(0),
    }))
}

/// A room that one hears, and what it was told so far, in short.
fn room() -> (Room, impl Fn() -> Vec<String>) {
    let room = Room::new(ChannelId::new(Uuid::from_u128(1)), 0);
    let outbox = Arc::<Outbox>::default();
    room.inner.lock().admit(&Listener { key: KEY, outbox: Arc::clone(&outbox) }, 0, false);
    let told = move || {
        let frames = outbox.take_now(usize::MAX).unwrap_or_default();
        let short = |text: &str| {
            ["messageAck", "channelDeleted", "message 1", "message 2", "message 3"].into_iter().find(|word| text.contains(word))
        };
        frames.iter().filter_map(|frame| short(&format!("{frame:?}"))).map(str::to_owned).collect()
    };
    (room, told)
}

#[test]
fn a_reply_that_is_quicker_than_the_word_that_a_message_is_taken_comes_behind_it() {
    let (room, told) = room();
    let author = EntityId::new(Uuid::from_u128(AUTHOR));
    let acknowledge = |seq| room.tell_behind(seq, KEY, &Frame::Text("own".into()), &[Frame::Text("messageAck".into())]);
    room.sending(author, "mine", KEY);
    room.tell(&said(AUTHOR, 1, Some("mine")));
    room.tell(&said(9, 2, None));
    assert_eq!(told(), ["message 1"]);
    assert!(acknowledge(1));
    assert_eq!(told(), ["messageAck", "message 2"]);

    // The other way round, nothing waits.
    room.sending(author, "next", KEY);
    assert!(acknowledge(3));
    assert!(told().is_empty());
    room.tell(&said(AUTHOR, 3, Some("next")));
    assert_eq!(told(), ["message 3", "messageAck"]);
}

#[test]
fn what_waits_for_a_word_that_does_not_come_is_told_all_the_same() {
    let author = EntityId::new(Uuid::from_u128(AUTHOR));
    for leaves in [false, true] {
        let (room, told) = room();
        room.sending(author, "mine", KEY);
        room.tell(&said(AUTHOR, 1, Some("mine")));
        room.tell(&said(9, 2, None));
        if leaves {
            room.inner.lock().dismiss(KEY);
        } else {
            room.not_sent(author, "mine", KEY);
        }
        assert_eq!(told(), ["message 1", "message 2"], "leaves: {leaves}");
    }
}

#[test]
fn the_end_of_a_channel_is_told_to_whom_it_was_shown() {
    let (room, told) = room();
    room.begin_again();
    assert!(told().is_empty(), "nothing was ever told of it: it may have been another's");
    room.tell(&said(9, 1, None));
    room.begin_again();
    assert_eq!(told(), ["message 1", "channelDeleted"]);
}

/// Somebody who may be sent away from a channel.
fn person() -> Caller {
    let reach = Reach { tenant: Tenant::new("one").unwrap(), servers: Vec::new(), person: Some(EntityId::new(Uuid::from_u128(AUTHOR))) };
    Caller::tenant(Arc::new(Credential { key: None, permissions: vec![Permission::MessagesRead], reach, expires_at: None }))
}

#[test]
fn who_is_let_in_again_hears_on_and_is_not_told_that_the_channel_is_gone() {
    let (room, told) = room();
    room.tell(&said(9, 1, None));
    assert_eq!(room.left(&person()), 1);
    assert!(room.inner.lock().lost);
    room.go_on();
    assert!(!room.inner.lock().lost);
    room.tell(&said(9, 1, None));
    room.tell(&said(9, 2, None));
    assert_eq!(told(), ["message 1", "message 2"]);

    // Whoever keeps its reach hears another channel next, and so does everybody behind the end.
    assert_eq!(room.left(&Caller::owner()), 0);
    room.inner.lock().tell_end(room.channel);
    assert_eq!(room.left(&person()), 0);
    assert!(!room.inner.lock().lost);
}

/// A piece of the reply of this number, which this agent makes to the message of the same number.
fn piece(agent: u128, reply: u128) -> StreamItem {
    StreamItem::Chunk(Arc::new(ReplyChunk {
        reply_id: MessageId::new(Uuid::from_u128(100 + reply)),
        answers: MessageId::new(Uuid::from_u128(1)),
        channel_id: ChannelId::new(Uuid::from_u128(1)),
        agent_id: AgentId::new(Uuid::from_u128(agent)),
        text: "a piece".to_owned(),
        index: 0,
    }))
}

/// That this agent is done with the message.
fn end(agent: u128, state: DeliveryState) -> StreamItem {
    let completion = Completion {
        delivery_id: DeliveryId::new(Uuid::from_u128(agent)),
        message_id: MessageId::new(Uuid::from_u128(1)),
        agent_id: AgentId::new(Uuid::from_u128(agent)),
        state,
        reply_id: None,
        superseded_by: None,
        error: None,
    };
    let body = EventBody::Complete(Some(completion));
    StreamItem::Event(Arc::new(ChannelEvent {
        channel_id: ChannelId::new(Uuid::from_u128(1)),
        seq: 9,
        body,
        created_at: Timestamp::from_millis(0),
    }))
}

#[test]
fn of_a_reply_that_was_shown_in_part_the_end_is_told_and_of_no_other() {
    let mut memory = Memory::default();
    let mut failed = |item: &StreamItem| {
        let told = format!("{:?}", parcels(item, &mut memory));
        told.contains("messageStreamError").then(|| told.contains(&Uuid::from_u128(105).to_string()))
    };
    for state in [DeliveryState::Failed, DeliveryState::Cancelled] {
        assert_eq!(failed(&piece(5, 5)), None);
        assert_eq!(failed(&end(6, state)), None, "that was another agent's");
        assert_eq!(failed(&end(5, state)), Some(true));
        assert_eq!(failed(&end(5, state)), None, "once");
    }
    failed(&piece(5, 5));
    assert_eq!(failed(&end(5, DeliveryState::Replied)), None, "the message follows");
    assert_eq!(failed(&end(5, DeliveryState::Failed)), None);
}

/// Opens a room on this channel for a tenant that shares these message servers, or for the owner.
fn open(rooms: &mut Directory, name: Option<&str>, servers: &[MessageServerId], channel: u128) -> Option<RoomKey> {
    let reach = name.map(|name| Reach { tenant: Tenant::new(name).unwrap(), servers: servers.to_vec(), person: None });
    let channel = ChannelId::new(Uuid::from_u128(channel));
    let key = (channel, reach);
    rooms.add(key.clone(), Arc::new(Room::new(channel, 0))).is_ok().then_some(key)
}

#[test]
fn a_tenant_has_a_quarter_of_the_rooms_and_the_owner_what_is_left() {
    let mut rooms = Directory::new(8);
    let first = open(&mut rooms, Some("one"), &[], 1).unwrap();
    // Another key of the same tenant, which reaches farther, has rooms of its own, and they count alike.
    assert!(open(&mut rooms, Some("one"), &[MessageServerId::DEFAULT], 1).is_some());
    assert!(open(&mut rooms, Some("one"), &[], 2).is_none());
    assert!(open(&mut rooms, Some("other"), &[], 1).is_some());
    assert!((1..=5).all(|channel| open(&mut rooms, None, &[], channel).is_some()));
    assert!(open(&mut rooms, Some("other"), &[], 2).is_none(), "there are no more than these");
    rooms.remove(&first);
    rooms.remove(&first);
    assert!(open(&mut rooms, Some("one"), &[], 2).is_some());
    assert_eq!(rooms.rooms.len(), 8);
}

/// A channel that has had so many events, as one reads it who has missed all of them.
struct Missed {
    position: i64,
    last: i64,
}

#[async_trait]
impl EventStream for Missed {
    async fn next(&mut self) -> ServiceResult<Option<StreamItem>> {
        if self.position == self.last {
            return Ok(None);
        }
        self.position += 1;
        Ok(Some(said(9, self.position, None)))
    }

    fn position(&self) -> i64 {
        self.position
    }
}

/// The reading of such a channel from behind this event.
fn behind(position: i64, last: i64) -> BoxFuture<'static, ServiceResult<Box<dyn EventStream>>> {
    let events: Box<dyn EventStream> = Box::new(Missed { position, last });
    ready(Ok(events)).boxed()
}

/// What one has missed of a channel whose room has told this last event.
fn catching_up(last: i64) -> (CatchUp, Arc<Outbox>) {
    catching_up_as(Caller::owner(), last)
}

/// The same, where it is this caller's.
fn catching_up_as(caller: Caller, last: i64) -> (CatchUp, Arc<Outbox>) {
    catching_up_by(caller, last, Box::new(move |position| behind(position, last)))
}

/// The same, where it begins again like this.
fn catching_up_by(caller: Caller, last: i64, begin: catch_up::Begin) -> (CatchUp, Arc<Outbox>) {
    let room = Arc::new(Room::new(ChannelId::new(Uuid::from_u128(1)), last));
    let listener = Listener { key: KEY, outbox: Arc::default() };
    listener.outbox.known(Account::new(&Stock::new(limits::OUTGOING_BYTES), &caller));
    room.inner.lock().admit(&listener, 0, true);
    let outbox = Arc::clone(&listener.outbox);
    let events = Box::new(Missed { position: 0, last });
    (CatchUp::new(events, begin, room, listener, caller, 0), outbox)
}

/// A turn that there is now.
fn turn(turns: &Arc<Turns>) -> Option<Turn> {
    turns.ask(None).try_recv().ok()
}

#[tokio::test(start_paused = true)]
async fn who_catches_up_is_told_no_more_than_it_takes_and_is_cut_off_if_it_takes_nothing() {
    let turns = Turns::new(1);
    let (mut missed, outbox) = catching_up(10_000);
    // Something else is done for the client meanwhile, again and again.
    let mut going_on = async || {
        let steps = async { while missed.step(&turns).await.is_ok() && outbox.end().is_none() {} };
        timeout(limits::CATCH_UP_TIME / 2, steps).await
    };
    let begun = Instant::now();
    assert!(going_on().await.is_err());
    let waits = |parcels: &[Parcel]| parcels.iter().map(Parcel::len).sum::<usize>();
    let taken = outbox.take_now(usize::MAX).unwrap();
    assert!(waits(&taken) > limits::CATCH_UP_BYTES / 2 && waits(&taken) < limits::CATCH_UP_BYTES + 2_000, "{}", waits(&taken));
    for _ in 0..3 {
        let _ = going_on().await;
    }
    assert_eq!(outbox.end(), Some(End::Lagged));
    assert!(begun.elapsed() >= limits::CATCH_UP_TIME);
}

#[tokio::test(start_paused = true)]
async fn who_catches_up_has_a_turn_among_those_who_do() {
    let turns = Turns::new(1);
    let (mut first, _) = catching_up(2);
    let (mut second, seconds) = catching_up(2);
    assert_eq!(first.step(&turns).await.ok(), Some(Step::Told));
    assert!(timeout(limits::CATCH_UP_TURN / 2, second.step(&turns)).await.is_err());
    assert!(second.position() == 0 && seconds.take_now(1).is_none(), "nothing is read meanwhile");
    assert_eq!(first.step(&turns).await.ok(), Some(Step::Told));
    assert_eq!(first.step(&turns).await.ok(), Some(Step::Done));
    drop(first);
    for expected in [Step::Told, Step::Told, Step::Done] {
        assert_eq!(second.step(&turns).await.ok(), Some(expected));
    }
    assert_eq!(seconds.take_now(usize::MAX).unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_gets_no_turn_to_catch_up_is_told_so_and_comes_again() {
    let turns = Turns::new(1);
    let _taken = turn(&turns).unwrap();
    let (mut missed, outbox) = catching_up(2);
    for _ in 0..3 {
        assert_eq!(outbox.end(), None);
        assert!(timeout(limits::CATCH_UP_WAIT * 2 / 5, missed.step(&turns)).await.is_err());
    }
    assert_eq!(outbox.end(), Some(End::Lagged));
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_tells_nothing_gives_way_however_often_the_wait_is_given_up() {
    let turns = Turns::new(1);
    let (mut missed, _outbox) = catching_up(2);
    // The room has not told of as much as there was.
    missed.room.inner.lock().position = 9;
    let mut steps = Vec::new();
    while !steps.contains(&Step::Nothing) {
        steps.extend(timeout(limits::ROOM_PAUSE / 3, missed.step(&turns)).await.ok().and_then(Result::ok));
        assert!(steps.len() < 9, "{steps:?}");
    }
    assert!(turn(&turns).is_some(), "its turn is another's meanwhile");
}

#[tokio::test(start_paused = true)]
async fn who_is_sent_away_while_it_catches_up_does_not_find_the_channel() {
    for gone in [false, true] {
        let turns = Turns::new(4);
        let (mut missed, _outbox) = catching_up_as(person(), 2);
        // The room has told more than is shown.
        missed.room.inner.lock().position = 9;
        missed.gone = gone;
        for _ in 0..2 {
            assert_eq!(missed.step(&turns).await.ok(), Some(Step::Told));
        }
        let lost = matches!(missed.step(&turns).await, Err(ServiceError::NotFound(Thing::Channel)));
        assert_eq!(lost, !gone, "of one that is gone the room tells");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_behind_when_the_channel_ends_reads_no_further() {
    let turns = Turns::new(1);
    let (mut missed, outbox) = catching_up(2);
    let channel = missed.channel();
    {
        let mut inner = missed.room.inner.lock();
        inner.position = 9;
        inner.tell_end(channel);
    }
    assert_eq!(missed.step(&turns).await.ok(), Some(Step::Done));
    assert_eq!(outbox.take_now(usize::MAX).unwrap().len(), 1, "its end");
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_keeps_nobody_waiting_and_misses_nothing() {
    const LAST: i64 = 2_000;
    let turns = Turns::new(1);
    let (mut slow, outbox) = catching_up(LAST);
    let mut told = Vec::new();
    let text = |parcel: Parcel| match parcel.frame() {
        Frame::Text(text) => text.to_string(),
        Frame::Binary(_) => String::new(),
    };
    let mut take = |bytes| told.extend(outbox.take_now(bytes).into_iter().flatten().map(text));
    loop {
        let (mut another, anothers) = catching_up(2);
        let begun = Instant::now();
        let is_done = tokio::select! {
            biased;
            () = async { while !matches!(slow.step(&turns).await, Ok(Step::Done)) {} } => true,
            () = async { while !matches!(another.step(&turns).await, Ok(Step::Done)) {} } => false,
        };
        assert!(begun.elapsed() <= 2 * limits::CATCH_UP_TURN);
        if is_done {
            break;
        }
        assert_eq!(anothers.take_now(usize::MAX).unwrap().len(), 2);
        // The client takes a little, again and again.
        take(limits::CATCH_UP_BYTES / 8);
    }
    take(usize::MAX);
    assert_eq!(outbox.end(), None);
    assert_eq!(told.len(), usize::try_from(LAST).unwrap());
    let in_order = told.iter().zip(1..).all(|(told, seq)| told.contains(&format!("message {seq}\"")));
    assert!(in_order, "each once");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_held_for_who_waits_for_its_turn_and_it_begins_again_where_it_was() {
    const LAST: i64 = 10_000;
    let times = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&times);
    let begin = move |position| {
        counted.fetch_add(1, Ordering::Relaxed);
        behind(position, LAST)
    };
    let turns = Turns::new(1);
    let (mut missed, outbox) = catching_up_by(Caller::owner(), LAST, Box::new(begin));
    let mut go_on = async || timeout(3 * limits::CATCH_UP_TURN, async { while missed.step(&turns).await.is_ok() {} }).await.is_err();
    assert!(go_on().await);
    assert!(turn(&turns).is_none(), "while nobody else waits it is still its turn");
    assert_eq!(times.load(Ordering::Relaxed), 0);
    let mut asked = turns.ask(None);
    assert!(go_on().await);
    let anothers = asked.try_recv().unwrap();
    assert!(outbox.take_now(usize::MAX).is_some());
    assert!(go_on().await);
    assert!(outbox.take_now(1).is_none());
    drop(anothers);
    assert!(go_on().await);
    assert_eq!(times.load(Ordering::Relaxed), 1);
    assert!(outbox.take_now(usize::MAX).is_some());
}

#[tokio::test(start_paused = true)]
async fn who_begins_again_and_finds_another_channel_waits_until_the_room_knows() {
    for is_there in [true, false] {
        let begin = move |_: i64| if is_there { behind(0, 1) } else { ready(Err(ServiceError::NotFound(Thing::Channel))).boxed() };
        let turns = Turns::new(1);
        let (mut missed, outbox) = catching_up_by(Caller::owner(), 10_000, Box::new(begin));
        assert_eq!(missed.step(&turns).await.ok(), Some(Step::Told));
        let anothers = turns.ask(None);
        let going_on = timeout(3 * limits::CATCH_UP_TURN, async { while missed.step(&turns).await.is_ok() {} });
        assert!(going_on.await.is_err());
        drop(anothers);
        assert!(outbox.take_now(usize::MAX).unwrap().len() > 1);
        for expected in [Step::Told, Step::Nothing, Step::Told, Step::Nothing] {
            assert_eq!(missed.step(&turns).await.ok(), Some(expected));
        }
        assert!(outbox.take_now(1).is_none(), "nothing of it is told");
        missed.room.begin_again();
        assert_eq!(missed.step(&turns).await.ok(), Some(Step::Done));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_channel_is_told_behind_its_end() {
    for another_begins in [false, true] {
        let turns = Turns::new(1);
        let taken = turn(&turns).unwrap();
        let (mut missed, outbox) = catching_up(2);
        let room = Arc::clone(&missed.room);
        let mut step = Box::pin(missed.step(&turns));
        assert!(futures_util::poll!(&mut step).is_pending(), "it waits for its turn");
        if another_begins {
            room.begin_again();
        } else {
            room.inner.lock().tell_end(room.channel);
        }
        drop(taken);
        assert_eq!(step.await.ok(), Some(Step::Told));
        let told = outbox.take_now(usize::MAX).unwrap();
        assert!(told.len() == 1 && format!("{told:?}").contains("channelDeleted"), "{told:?}");
    }
}

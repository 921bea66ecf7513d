//! Rooms: who hears what happens on a channel. Each is read once, and what is told is written once for all who hear it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use core_types::bus::ReplyChunk;
use core_types::deliveries::DeliveryState;
use core_types::error::chain;
use core_types::messaging::{ChannelEvent, EventBody, EventStream, Message, MessagingService, StreamItem};
use core_types::{AgentId, Caller, ChannelId, EntityId, MessageId, MessageServerId, Reach, ServiceError, ServiceResult, Tenant};
use futures_util::FutureExt;
use parking_lot::Mutex;
use realtime::Frame;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::holdings::Holdings;
use crate::limits;
use crate::sockets::outbox::Outbox;
use crate::sockets::parcel::Parcel;
use crate::wire::sockets::{Told, broadcast, channel_deleted, chunk, gap, stream_error, told};

pub(crate) use catch_up::{CatchUp, Step};
pub(crate) use turns::Turns;

mod catch_up;
mod turns;

/// One who hears a room.
#[derive(Clone)]
pub(crate) struct Listener {
    /// What tells it from the others.
    pub(crate) key: u64,
    /// What is told goes here.
    pub(crate) outbox: Arc<Outbox>,
}

/// A channel, and how far those see who hear it there: a reader reads for those alone who may read the same.
type RoomKey = (ChannelId, Option<Reach>);

fn room_key(caller: &Caller, channel: ChannelId) -> RoomKey {
    (channel, caller.reach().cloned())
}

/// Whose a room is, where it is a tenant's.
fn tenant((_, reach): &RoomKey) -> Option<&Tenant> {
    reach.as_ref().map(|reach| &reach.tenant)
}

/// All rooms of the server.
pub(crate) struct Rooms {
    messaging: Arc<dyn MessagingService>,
    rooms: Mutex<Directory>,
}

/// The rooms by their keys, and how many of them are whose.
struct Directory {
    /// How many there may be.
    most: usize,
    rooms: HashMap<RoomKey, Arc<Room>>,
    holdings: Holdings,
}

impl Directory {
    fn new(most: usize) -> Self {
        Self { most, rooms: HashMap::new(), holdings: Holdings::new(most) }
    }

    /// Adds a room under a key that has none.
    fn add(&mut self, key: RoomKey, room: Arc<Room>) -> ServiceResult<()> {
        if self.rooms.len() >= self.most {
            return Err(overloaded("Too many channels are heard by sockets; try again later"));
        }
        if !self.holdings.take(tenant(&key)) {
            return Err(overloaded("The sockets of this tenant hear too many channels; leave some, or try again later"));
        }
        self.rooms.insert(key, room);
        Ok(())
    }

    fn remove(&mut self, key: &RoomKey) {
        if self.rooms.remove(key).is_some() {
            self.holdings.give_back(tenant(key));
        }
    }
}

fn overloaded(message: &str) -> ServiceError {
    ServiceError::Overloaded { message: message.to_owned(), retry_after: Duration::from_secs(5) }
}

impl Rooms {
    /// Rooms that read from this service.
    pub(crate) fn new(messaging: Arc<dyn MessagingService>) -> Arc<Self> {
        Arc::new(Self { messaging, rooms: Mutex::new(Directory::new(limits::ROOMS)) })
    }

    /// Lets one hear a channel, behind the event `after` or from now on. `confirm` tells it so, with the number of the last event
    /// that it is taken to know, before anything else of the channel. Returns what it has to read by itself before the room
    /// tells it the rest.
    pub(crate) async fn join(
        &self,
        caller: &Caller,
        channel: ChannelId,
        after: Option<i64>,
        listener: &Listener,
        confirm: impl FnOnce(i64),
    ) -> ServiceResult<Option<CatchUp>> {
        let mut own = Some(self.messaging.await_channel(caller, channel, after).await?);
        let position = own.as_ref().map_or(0, |events| events.position());
        let mut spare = None;
        loop {
            {
                let mut rooms = self.rooms.lock();
                if let Some(room) = self.room(&mut rooms, caller, channel, after, &mut own, &mut spare)? {
                    // Under the lock of all rooms, so that nobody takes the room away before its listener is in it.
                    let mut inner = room.inner.lock();
                    confirm(position);
                    let behind = own.filter(|_| position < inner.position);
                    inner.admit(listener, position, behind.is_some());
                    let epoch = inner.epoch;
                    drop(inner);
                    let (listener, begin) = (listener.clone(), self.begin(caller, channel));
                    return Ok(behind.map(|events| CatchUp::new(events, begin, room, listener, caller.clone(), epoch)));
                }
            }
            // A room reads from now on, whatever its first listener has missed.
            spare = Some(self.messaging.await_channel(caller, channel, None).await?);
        }
    }

    /// How one who has missed something begins to read that again.
    fn begin(&self, caller: &Caller, channel: ChannelId) -> catch_up::Begin {
        let (messaging, caller) = (Arc::clone(&self.messaging), caller.clone());
        Box::new(move |after| {
            let (messaging, caller) = (Arc::clone(&messaging), caller.clone());
            async move { messaging.await_channel(&caller, channel, Some(after)).await }.boxed()
        })
    }

    /// The room of a channel; a new one reads from `spare`, or from `own` where its listener has missed nothing. `None` where neither
    /// is there.
    fn room(
        &self,
        rooms: &mut Directory,
        caller: &Caller,
        channel: ChannelId,
        after: Option<i64>,
        own: &mut Option<Box<dyn EventStream>>,
        spare: &mut Option<Box<dyn EventStream>>,
    ) -> ServiceResult<Option<Arc<Room>>> {
        let room_key = room_key(caller, channel);
        if let Some(room) = rooms.rooms.get(&room_key) {
            return Ok(Some(Arc::clone(room)));
        }
        let events = if after.is_none() { own.take() } else { spare.take() };
        let Some(events) = events else { return Ok(None) };
        let room = Arc::new(Room::new(channel, events.position()));
        rooms.add(room_key, Arc::clone(&room))?;
        let reading = read(Arc::clone(&room), events, Arc::clone(&self.messaging), caller.clone());
        room.inner.lock().reader = Some(tokio::spawn(reading).abort_handle());
        Ok(Some(room))
    }

    /// Lets one hear a channel no longer. A room that nobody hears is not read.
    pub(crate) fn leave(&self, caller: &Caller, channel: ChannelId, key: u64) {
        let room_key = room_key(caller, channel);
        let mut rooms = self.rooms.lock();
        let Some(room) = rooms.rooms.get(&room_key) else { return };
        let mut inner = room.inner.lock();
        inner.dismiss(key);
        if inner.listeners.is_empty() {
            if let Some(reader) = &inner.reader {
                reader.abort();
            }
            drop(inner);
            rooms.remove(&room_key);
        }
    }

    /// The room of a channel, if anybody hears it.
    pub(crate) fn get(&self, caller: &Caller, channel: ChannelId) -> Option<Arc<Room>> {
        self.rooms.lock().rooms.get(&room_key(caller, channel)).cloned()
    }

    /// Whether those who hear the channel cannot see it for now.
    pub(crate) fn is_lost(&self, caller: &Caller, channel: ChannelId) -> bool {
        self.get(caller, channel).is_some_and(|room| room.inner.lock().lost)
    }
}

/// Reads a channel for its room, for as long as anybody hears it.
async fn read(room: Arc<Room>, mut events: Box<dyn EventStream>, messaging: Arc<dyn MessagingService>, caller: Caller) {
    loop {
        match events.next().await {
            Ok(Some(item)) => room.tell(&item),
            Ok(None) => events = again(&room, messaging.as_ref(), &caller).await,
            Err(error) => pause(&error).await,
        }
    }
}

/// Waits until a channel that has ended for its room can be heard again: another of the same id from its beginning, the same one, to which
/// a person was let in again, from where it was left.
async fn again(room: &Room, messaging: &dyn MessagingService, caller: &Caller) -> Box<dyn EventStream> {
    let mut known = room.left(caller);
    loop {
        match messaging.await_channel(caller, room.channel, Some(known)).await {
            // One that has had fewer events is another.
            Ok(events) if events.position() < known => known = 0,
            Ok(events) => {
                if known > 0 {
                    room.go_on();
                } else {
                    room.begin_again();
                }
                return events;
            }
            // It is another's now, until it is gone again; or the person was sent away.
            Err(ServiceError::NotFound(_)) => sleep(limits::CREDENTIAL_CHECK).await,
            Err(error) => pause(&error).await,
        }
    }
}

/// Whether the caller is one person, who may be sent away from a channel. Everybody else's reach stays.
fn is_person(caller: &Caller) -> bool {
    caller.reach().is_some_and(|reach| reach.person.is_some())
}

async fn pause(error: &ServiceError) {
    log::error!("a channel's events cannot be read for its sockets: {}", chain(error));
    sleep(limits::ROOM_PAUSE).await;
}

/// Those who hear a channel.
pub(crate) struct Room {
    channel: ChannelId,
    inner: Mutex<Inner>,
}

struct Inner {
    listeners: HashMap<u64, Heard>,
    /// The number of the last event that was told.
    position: i64,
    /// Who is about to send a message under which id of its own.
    sending: HashMap<(EntityId, String), u64>,
    /// What some are told right behind an event.
    due: Vec<Due>,
    memory: Memory,
    /// Counts the channels that there have been of this id.
    epoch: u64,
    /// Whether the end of the present one was told.
    gone: bool,
    /// Whether those who hear it cannot see it for now.
    lost: bool,
    reader: Option<AbortHandle>,
}

struct Heard {
    outbox: Arc<Outbox>,
    /// The number of the last event that it knows.
    position: i64,
    /// Whether it still reads by itself what it has missed.
    behind: bool,
    /// What comes behind a message of its own that it was not told yet is taken: a reply may be quicker than that.
    held: Option<Vec<Parcel>>,
}

impl Heard {
    fn tell(&mut self, parcel: Parcel) {
        match &mut self.held {
            Some(held) if held.len() < limits::SOCKET_FRAMES => held.push(parcel),
            _ => {
                self.release();
                self.outbox.push(parcel);
            }
        }
    }

    /// Tells what was held.
    fn release(&mut self) {
        self.held.take().into_iter().flatten().for_each(|parcel| self.outbox.push(parcel));
    }
}

/// What the sender of a message is told behind its event.
struct Due {
    seq: i64,
    key: u64,
    /// Its own copy of the message, in case the room does not come to tell it.
    own: Frame,
    then: Vec<Frame>,
}

/// What a room remembers to tell what events leave out.
#[derive(Default)]
struct Memory {
    server: Option<MessageServerId>,
    /// Replies that have been begun, by what they answer and who answers.
    begun: HashMap<(MessageId, AgentId), MessageId>,
}

impl Room {
    fn new(channel: ChannelId, position: i64) -> Self {
        let inner = Inner {
            listeners: HashMap::new(),
            position,
            sending: HashMap::new(),
            due: Vec::new(),
            memory: Memory::default(),
            epoch: 0,
            gone: false,
            lost: false,
            reader: None,
        };
        Self { channel, inner: Mutex::new(inner) }
    }

    /// One who hears the room is about to send a message which it calls `client_id`.
    pub(crate) fn sending(&self, author: EntityId, client_id: &str, key: u64) {
        let mut inner = self.inner.lock();
        if inner.listeners.contains_key(&key) {
            inner.sending.insert((author, client_id.to_owned()), key);
        }
    }

    /// It was not sent, or was before.
    pub(crate) fn not_sent(&self, author: EntityId, client_id: &str, key: u64) {
        let mut inner = self.inner.lock();
        inner.sending.remove(&(author, client_id.to_owned()));
        if let Some(listener) = inner.listeners.get_mut(&key) {
            listener.release();
        }
    }

    /// Tells the sender of a message something right behind the message's event; `own` is its copy of the message, for when the room
    /// does not come to tell it. Says whether the sender hears the room.
    pub(crate) fn tell_behind(&self, seq: i64, key: u64, own: &Frame, then: &[Frame]) -> bool {
        let mut inner = self.inner.lock();
        if !inner.listeners.contains_key(&key) {
            return false;
        }
        inner.due.push(Due { seq, key, own: own.clone(), then: then.to_vec() });
        inner.settle();
        true
    }

    /// Tells everybody what was read.
    fn tell(&self, item: &StreamItem) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let (seq, own) = match item {
            StreamItem::Event(event) if matches!(event.body, EventBody::ChannelDeleted) => return inner.tell_end(self.channel),
            StreamItem::Event(event) => (Some(event.seq), inner.sender(event)),
            StreamItem::Gap { to, .. } => (Some(*to), None),
            StreamItem::Chunk(_) => (None, None),
        };
        let parcels = parcels(item, &mut inner.memory);
        for (key, listener) in &mut inner.listeners {
            if listener.behind || seq.is_some_and(|seq| seq <= listener.position) {
                continue;
            }
            listener.position = seq.unwrap_or(listener.position);
            match &own {
                Some((sender, frame)) if sender == key => {
                    listener.tell(frame.clone().into());
                    listener.release();
                    listener.held = Some(Vec::new());
                }
                _ => parcels.iter().for_each(|parcel| listener.tell(parcel.clone())),
            }
        }
        inner.position = seq.unwrap_or(inner.position);
        inner.settle();
    }

    /// The channel has ended for the room of this caller. Says which event is the last that is known of what comes next: the last that was
    /// told, where that is a person who was sent away; else none, since the next channel is another.
    fn left(&self, caller: &Caller) -> i64 {
        let mut inner = self.inner.lock();
        inner.lost = is_person(caller) && !inner.gone;
        if inner.lost { inner.position } else { 0 }
    }

    /// The channel is the one that it was.
    fn go_on(&self) {
        self.inner.lock().lost = false;
    }

    /// The channel is another one now.
    fn begin_again(&self) {
        let mut inner = self.inner.lock();
        // Nobody will tell what was due behind.
        for due in std::mem::take(&mut inner.due) {
            inner.give_up(due);
        }
        // Of a channel of which nothing was ever told it may be another's end.
        if inner.position > 0 {
            inner.tell_end(self.channel);
        }
        inner.position = 0;
        inner.memory = Memory::default();
        inner.epoch += 1;
        inner.gone = false;
        inner.lost = false;
        for listener in inner.listeners.values_mut() {
            listener.position = 0;
            listener.behind = false;
        }
    }
}

impl Inner {
    fn admit(&mut self, listener: &Listener, position: i64, behind: bool) {
        self.listeners.insert(listener.key, Heard { outbox: Arc::clone(&listener.outbox), position, behind, held: None });
    }

    fn dismiss(&mut self, key: u64) {
        let leaves = |due: &mut Due| due.key == key;
        for due in self.due.extract_if(.., leaves).collect::<Vec<_>>() {
            self.give_up(due);
        }
        self.sending.retain(|_, sender| *sender != key);
        if let Some(mut listener) = self.listeners.remove(&key) {
            listener.release();
        }
    }

    /// Whether one who reads by itself knows as much as the room, which tells it the rest then; or is not heard of any more, or has
    /// read of a channel that is gone, behind whose end nothing is told.
    fn caught_up(&mut self, key: u64, position: i64, epoch: u64) -> bool {
        let Some(listener) = self.listeners.get_mut(&key).filter(|listener| listener.behind && self.epoch == epoch) else { return true };
        listener.position = position;
        if position < self.position && !self.gone {
            return false;
        }
        listener.behind = false;
        self.settle();
        true
    }

    /// Whether one who reads by itself is to be told what it reads of a channel: that may have ended meanwhile, and its end been told.
    fn is_behind(&self, key: u64, epoch: u64) -> bool {
        self.epoch == epoch && !self.gone && self.listeners.get(&key).is_some_and(|listener| listener.behind)
    }

    /// Tells everybody that the channel is gone, and what was due behind events that nobody will tell. Once for each channel.
    fn tell_end(&mut self, channel: ChannelId) {
        if std::mem::replace(&mut self.gone, true) {
            return;
        }
        for due in std::mem::take(&mut self.due) {
            self.give_up(due);
        }
        let parcel = Parcel::from(channel_deleted(channel));
        self.listeners.values_mut().for_each(|listener| listener.tell(parcel.clone()));
    }

    /// Tells what was due without waiting any longer for its event.
    fn give_up(&mut self, due: Due) {
        let Some(listener) = self.listeners.get_mut(&due.key) else { return };
        if listener.position < due.seq {
            listener.outbox.push(due.own);
        }
        due.then.into_iter().for_each(|frame| listener.outbox.push(frame));
        listener.release();
    }

    /// Who sent the message by a socket, and its own copy, which has its own id of the message.
    fn sender(&mut self, event: &ChannelEvent) -> Option<(u64, Frame)> {
        let EventBody::Message(Some(message)) = &event.body else { return None };
        let client_id = message.source_id.as_deref().filter(|_| !self.sending.is_empty())?;
        let key = self.sending.remove(&(message.author_id, client_id.to_owned()))?;
        Some((key, broadcast(message, event.seq, Some(client_id))))
    }

    /// Tells what was due behind the events that have been told.
    fn settle(&mut self) {
        let listeners = &mut self.listeners;
        let told = |due: &Due, listeners: &HashMap<u64, Heard>| {
            listeners.get(&due.key).is_none_or(|listener| !listener.behind && listener.position >= due.seq)
        };
        for due in self.due.extract_if(.., |due| told(due, listeners)).collect::<Vec<_>>() {
            if let Some(listener) = listeners.get_mut(&due.key) {
                due.then.into_iter().for_each(|frame| listener.outbox.push(frame));
                listener.release();
            }
        }
    }
}

impl Memory {
    fn of(&mut self, message: &Message) {
        self.server = Some(message.server_id);
    }

    fn chunk(&mut self, chunk: &ReplyChunk) {
        // Whose end was missed is forgotten with the rest; their readers see the reply itself.
        if self.begun.len() >= limits::ROOM_REPLIES {
            self.begun.clear();
        }
        self.begun.insert((chunk.answers, chunk.agent_id), chunk.reply_id);
    }
}

/// What is sent of an item of a channel's events.
fn parcels(item: &StreamItem, memory: &mut Memory) -> Vec<Parcel> {
    match item {
        StreamItem::Chunk(piece) => {
            memory.chunk(piece);
            vec![chunk(piece).into()]
        }
        StreamItem::Gap { from, to } => vec![gap(*from, *to).into()],
        StreamItem::Event(event) => {
            let mut parcels = Vec::new();
            match &event.body {
                EventBody::Message(Some(message)) | EventBody::MessageUpdated(Some(message)) => memory.of(message),
                EventBody::Complete(Some(completion)) => {
                    let begun = memory.begun.remove(&(completion.message_id, completion.agent_id));
                    // Of what has been shown in part, the end is told where no message follows.
                    if let Some(reply) = begun
                        && completion.state != DeliveryState::Replied
                    {
                        parcels.push(stream_error(event.channel_id, reply, completion).into());
                    }
                }
                _ => {}
            }
            parcels.extend(told(&Told { event, server: memory.server }).map(Parcel::from));
            parcels
        }
    }
}

#[cfg(test)]
mod tests;

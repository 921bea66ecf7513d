//! Rooms: who hears what happens on a channel. Each is read once, and what is told is written once for all who hear it.

use std::collections::HashMap;
use std::sync::Arc;

use core_types::bus::ReplyChunk;
use core_types::deliveries::DeliveryState;
use core_types::error::chain;
use core_types::messaging::{ChannelEvent, EventBody, EventStream, Message, MessagingService, StreamItem};
use core_types::{Caller, ChannelId, EntityId, MessageId, MessageServerId, ServiceResult};
use parking_lot::Mutex;
use realtime::Frame;
use tokio::task::AbortHandle;

use crate::limits;
use crate::sockets::outbox::Outbox;
use crate::wire::sockets::{Told, broadcast, chunk, gap, stream_error, told};

/// One who hears a room.
#[derive(Clone)]
pub(crate) struct Listener {
    /// What tells it from the others.
    pub(crate) key: u64,
    /// What is told goes here.
    pub(crate) outbox: Arc<Outbox>,
}

/// All rooms of the server.
pub(crate) struct Rooms {
    messaging: Arc<dyn MessagingService>,
    rooms: Mutex<HashMap<ChannelId, Arc<Room>>>,
}

impl Rooms {
    /// Rooms that read from this service.
    pub(crate) fn new(messaging: Arc<dyn MessagingService>) -> Arc<Self> {
        Arc::new(Self { messaging, rooms: Mutex::default() })
    }

    /// Lets one hear a channel, behind the event `after` or from now on. `confirm` tells it so, with the number of the last event
    /// that it is taken to know, before anything else of the channel. Returns what it has to read by itself before the room
    /// tells it the rest.
    pub(crate) async fn join(
        self: &Arc<Self>,
        caller: &Caller,
        channel: ChannelId,
        after: Option<i64>,
        listener: &Listener,
        confirm: impl FnOnce(i64),
    ) -> ServiceResult<Option<CatchUp>> {
        let events = self.messaging.await_channel(caller, channel, after).await?;
        let position = events.position();
        let mut rooms = self.rooms.lock();
        let Some(room) = rooms.get(&channel) else {
            confirm(position);
            let room = Arc::new(Room::new(channel, position));
            let mut inner = room.inner.lock();
            inner.admit(listener, position);
            let reading = read(Arc::clone(&room), events, Arc::clone(&self.messaging), caller.clone());
            inner.reader = Some(tokio::spawn(reading).abort_handle());
            drop(inner);
            rooms.insert(channel, room);
            return Ok(None);
        };
        let mut inner = room.inner.lock();
        confirm(position);
        if after.is_none() || inner.position <= position {
            inner.admit(listener, position);
            return Ok(None);
        }
        Ok(Some(CatchUp { events, room: Arc::clone(room), listener: listener.clone() }))
    }

    /// Lets one hear a channel no longer. A room that nobody hears is not read.
    pub(crate) fn leave(&self, channel: ChannelId, key: u64) {
        let mut rooms = self.rooms.lock();
        let Some(room) = rooms.get(&channel) else { return };
        let mut inner = room.inner.lock();
        inner.dismiss(key);
        if inner.listeners.is_empty() {
            if let Some(reader) = &inner.reader {
                reader.abort();
            }
            drop(inner);
            rooms.remove(&channel);
        }
    }

    /// The room of a channel, if anybody hears it.
    pub(crate) fn get(&self, channel: ChannelId) -> Option<Arc<Room>> {
        self.rooms.lock().get(&channel).cloned()
    }
}

/// Reads a channel for its room, for as long as anybody hears it.
async fn read(room: Arc<Room>, mut events: Box<dyn EventStream>, messaging: Arc<dyn MessagingService>, caller: Caller) {
    loop {
        match events.next().await {
            Ok(Some(item)) => room.tell(&item),
            // The channel is gone; there may be another of the same id, and then it is heard.
            Ok(None) => loop {
                match messaging.await_channel(&caller, room.channel, Some(0)).await {
                    Ok(again) => {
                        room.begin_again();
                        events = again;
                        break;
                    }
                    Err(error) => pause(&error).await,
                }
            },
            Err(error) => pause(&error).await,
        }
    }
}

async fn pause(error: &core_types::ServiceError) {
    log::error!("a channel's events cannot be read for its sockets: {}", chain(error));
    tokio::time::sleep(limits::ROOM_PAUSE).await;
}

/// What one who comes back has missed, and reads by itself.
pub(crate) struct CatchUp {
    events: Box<dyn EventStream>,
    room: Arc<Room>,
    listener: Listener,
}

impl CatchUp {
    /// Tells what was missed, as fast as it is taken, and then lets the room tell the rest.
    pub(crate) async fn run(mut self) -> ServiceResult<()> {
        loop {
            {
                let mut inner = self.room.inner.lock();
                if inner.position <= self.events.position() {
                    inner.admit(&self.listener, self.events.position());
                    return Ok(());
                }
            }
            self.listener.outbox.room().await;
            match self.events.next().await? {
                // A piece of a reply belongs to the present, and the room will tell the next.
                Some(StreamItem::Chunk(_)) => {}
                Some(item) => frames(&item, &mut Memory::default()).into_iter().for_each(|frame| self.listener.outbox.push(frame)),
                None => return Ok(()),
            }
        }
    }
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
    /// What one is told right behind an event.
    due: Vec<(i64, u64, Frame)>,
    memory: Memory,
    reader: Option<AbortHandle>,
}

struct Heard {
    outbox: Arc<Outbox>,
    /// The number of the last event that it knows.
    position: i64,
}

/// What a room remembers to tell what events leave out.
#[derive(Default)]
struct Memory {
    server: Option<MessageServerId>,
    /// Replies that have been begun, by what they answer.
    begun: HashMap<MessageId, MessageId>,
}

impl Room {
    fn new(channel: ChannelId, position: i64) -> Self {
        let inner = Inner {
            listeners: HashMap::new(),
            position,
            sending: HashMap::new(),
            due: Vec::new(),
            memory: Memory::default(),
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

    /// It was sent, or it was not.
    pub(crate) fn sent(&self, author: EntityId, client_id: &str) {
        self.inner.lock().sending.remove(&(author, client_id.to_owned()));
    }

    /// Tells one who hears the room something right behind the event of this number. Says whether it hears the room.
    pub(crate) fn tell_behind(&self, seq: i64, key: u64, frames: &[Frame]) -> bool {
        let mut inner = self.inner.lock();
        let Some(listener) = inner.listeners.get(&key) else { return false };
        if inner.position >= seq {
            for frame in frames {
                listener.outbox.push(frame.clone());
            }
        } else {
            inner.due.extend(frames.iter().map(|frame| (seq, key, frame.clone())));
        }
        true
    }

    /// Tells everybody what was read.
    fn tell(&self, item: &StreamItem) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let (seq, own) = match item {
            // Its place in the channel's order went with the channel.
            StreamItem::Event(event) if matches!(event.body, EventBody::ChannelDeleted) => (None, None),
            StreamItem::Event(event) => (Some(event.seq), inner.sender(event)),
            StreamItem::Gap { to, .. } => (Some(*to), None),
            StreamItem::Chunk(_) => (None, None),
        };
        let frames = frames(item, &mut inner.memory);
        for (key, listener) in &mut inner.listeners {
            if seq.is_some_and(|seq| seq <= listener.position) {
                continue;
            }
            listener.position = seq.unwrap_or(listener.position);
            match &own {
                Some((sender, frame)) if sender == key => listener.outbox.push(frame.clone()),
                _ => frames.iter().for_each(|frame| listener.outbox.push(frame.clone())),
            }
        }
        inner.position = seq.unwrap_or(inner.position);
        inner.settle();
    }

    /// The channel is another one now.
    fn begin_again(&self) {
        let mut inner = self.inner.lock();
        inner.position = 0;
        inner.due.clear();
        inner.memory = Memory::default();
        inner.listeners.values_mut().for_each(|listener| listener.position = 0);
    }
}

impl Inner {
    fn admit(&mut self, listener: &Listener, position: i64) {
        self.listeners.insert(listener.key, Heard { outbox: Arc::clone(&listener.outbox), position });
    }

    fn dismiss(&mut self, key: u64) {
        self.listeners.remove(&key);
        self.sending.retain(|_, sender| *sender != key);
        self.due.retain(|(_, listener, _)| *listener != key);
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
        if self.due.is_empty() {
            return;
        }
        let position = self.position;
        for (_, key, frame) in self.due.extract_if(.., |(seq, ..)| *seq <= position) {
            if let Some(listener) = self.listeners.get(&key) {
                listener.outbox.push(frame);
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
        self.begun.insert(chunk.answers, chunk.reply_id);
    }
}

/// What is sent of an item of a channel's events.
fn frames(item: &StreamItem, memory: &mut Memory) -> Vec<Frame> {
    match item {
        StreamItem::Chunk(piece) => {
            memory.chunk(piece);
            vec![chunk(piece)]
        }
        StreamItem::Gap { from, to } => vec![gap(*from, *to)],
        StreamItem::Event(event) => {
            let mut frames = Vec::new();
            match &event.body {
                EventBody::Message(Some(message)) | EventBody::MessageUpdated(Some(message)) => memory.of(message),
                EventBody::Complete(Some(completion)) => {
                    let begun = memory.begun.remove(&completion.message_id);
                    // Of what has been shown in part, the end is told.
                    if let (Some(reply), DeliveryState::Failed) = (begun, completion.state) {
                        frames.push(stream_error(event.channel_id, reply, completion));
                    }
                }
                _ => {}
            }
            frames.extend(told(&Told { event, server: memory.server }));
            frames
        }
    }
}

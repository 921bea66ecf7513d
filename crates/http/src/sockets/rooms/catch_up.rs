//! Who comes back to a room, and reads by itself what it has missed.

use std::pin::pin;
use std::sync::Arc;

use core_types::messaging::{EventBody, EventStream, StreamItem};
use core_types::{Caller, ChannelId, ServiceError, ServiceResult, Thing};
use futures_util::future::BoxFuture;
use tokio::sync::oneshot::Receiver;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::turns::{Turn, Turns};
use super::{Listener, Memory, Room, is_person, parcels};
use crate::limits;

/// Begins to read behind an event.
pub(super) type Begin = Box<dyn Fn(i64) -> BoxFuture<'static, ServiceResult<Box<dyn EventStream>>> + Send>;

/// What one who hears a room has missed, and reads by itself.
pub(crate) struct CatchUp {
    /// What it reads, unless it has to begin again: between its turns nothing is held for it.
    events: Option<Box<dyn EventStream>>,
    /// The number of the last event that it has read, where nothing is being read.
    position: i64,
    begin: Begin,
    pub(super) room: Arc<Room>,
    listener: Listener,
    caller: Caller,
    /// Which channel of the room's id it reads.
    epoch: u64,
    /// Whether that was told to be gone.
    pub(super) gone: bool,
    memory: Memory,
    /// Its turn among all who catch up, from before anything is read for it, and when that may become another's.
    turn: Option<(Turn, Instant)>,
    /// Since when it waits for that.
    waiting: Option<(Receiver<Turn>, Instant)>,
    /// Until when there is nothing to be read.
    pause: Option<Instant>,
}

/// What came of a step of catching up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something was told, and there may be more.
    Told,
    /// There is nothing to tell for now, and nothing was read that is not told.
    Nothing,
    /// That was all, and the room tells the rest.
    Done,
}

impl CatchUp {
    /// The channel.
    pub(crate) fn channel(&self) -> ChannelId {
        self.room.channel
    }

    pub(super) fn new(events: Box<dyn EventStream>, begin: Begin, room: Arc<Room>, listener: Listener, caller: Caller, epoch: u64) -> Self {
        Self {
            position: events.position(),
            events: Some(events),
            begin,
            room,
            listener,
            caller,
            epoch,
            gone: false,
            memory: Memory::default(),
            turn: None,
            waiting: None,
            pause: None,
        }
    }

    /// The number of the last event that it has read.
    pub(super) fn position(&self) -> i64 {
        self.events.as_ref().map_or(self.position, |events| events.position())
    }

    /// Tells the next of what was missed, once it is its turn and the client has taken most of what waits. Whoever takes nothing is cut
    /// off, and a person who is sent away meanwhile does not find the channel. Giving up the wait loses nothing.
    pub(crate) async fn step(&mut self, turns: &Arc<Turns>) -> ServiceResult<Step> {
        let position = self.position();
        if self.room.inner.lock().caught_up(self.listener.key, position, self.epoch) {
            return Ok(Step::Done);
        }
        if let Some(until) = self.pause {
            sleep_until(until).await;
            self.pause = None;
            return Ok(Step::Nothing);
        }
        self.wait_for_room(turns).await;
        self.wait_for_turn(turns).await;
        match self.next().await? {
            // A piece of a reply belongs to the present, and the room will tell the next.
            Some(StreamItem::Chunk(_)) => {}
            // The room tells of it.
            Some(StreamItem::Event(event)) if matches!(event.body, EventBody::ChannelDeleted) => self.gone = true,
            Some(item) => {
                let parcels = parcels(&item, &mut self.memory);
                // So that nothing comes behind the end of the channel, which the room tells.
                let inner = self.room.inner.lock();
                if inner.is_behind(self.listener.key, self.epoch) {
                    for parcel in parcels {
                        self.listener.outbox.push(parcel);
                    }
                }
            }
            None if is_person(&self.caller) && !self.gone => return Err(ServiceError::NotFound(Thing::Channel)),
            // So that the room has time to learn of it, too, the next step waits.
            None => {
                self.turn = None;
                self.pause = Some(Instant::now() + limits::ROOM_PAUSE);
            }
        }
        Ok(Step::Told)
    }

    /// The next item; `None` where the channel has ended, or is another by now.
    async fn next(&mut self) -> ServiceResult<Option<StreamItem>> {
        if self.events.is_none() {
            match (self.begin)(self.position).await {
                // One that has had fewer events is another.
                Ok(events) if events.position() < self.position => return Ok(None),
                Ok(events) => self.events = Some(events),
                Err(ServiceError::NotFound(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        match &mut self.events {
            Some(events) => events.next().await,
            None => Ok(None),
        }
    }

    /// Waits until the client has taken most of what waits for it. It keeps its turn no longer than that lasts, if others wait for one.
    async fn wait_for_room(&mut self, turns: &Turns) {
        let outbox = Arc::clone(&self.listener.outbox);
        let mut room = pin!(outbox.room(limits::CATCH_UP_BYTES, limits::CATCH_UP_TIME));
        while let Some(until) = self.turn_ends(turns) {
            if timeout_at(until, &mut room).await.is_ok() {
                return;
            }
        }
        room.await;
    }

    /// When its turn ends, if it has one. One whose time is over is another's if anybody waits, and what was read for it and not told
    /// yet is read again in its next; else it goes on.
    fn turn_ends(&mut self, turns: &Turns) -> Option<Instant> {
        let now = Instant::now();
        let (_, until) = self.turn.as_mut()?;
        if *until > now {
            return Some(*until);
        }
        if turns.are_waited_for(self.caller.makes_for().as_ref()) {
            self.position = self.position();
            self.events = None;
            self.turn = None;
            return None;
        }
        *until = now + limits::CATCH_UP_TURN;
        Some(*until)
    }

    /// Waits for its turn. For whom there is none for long is cut off, and comes again: it is told nothing meanwhile, and does not know.
    async fn wait_for_turn(&mut self, turns: &Arc<Turns>) {
        if self.turn.is_some() {
            return;
        }
        let caller = &self.caller;
        let (turn, since) = self.waiting.get_or_insert_with(|| (turns.ask(caller.makes_for()), Instant::now()));
        let Ok(Ok(turn)) = timeout_at(*since + limits::CATCH_UP_WAIT, turn).await else {
            self.listener.outbox.lag();
            return std::future::pending().await;
        };
        self.waiting = None;
        self.turn = Some((turn, Instant::now() + limits::CATCH_UP_TURN));
    }
}

//! Who comes back to a room, and reads by itself what it has missed.

use std::sync::Arc;

use core_types::messaging::{EventBody, EventStream, StreamItem};
use core_types::{Caller, ChannelId, ServiceError, ServiceResult, Thing};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Listener, Memory, Room, frames, is_person};
use crate::holdings::{Part, Stock};
use crate::limits;

/// What one who hears a room has missed, and reads by itself.
pub(crate) struct CatchUp {
    pub(super) events: Box<dyn EventStream>,
    pub(super) room: Arc<Room>,
    listener: Listener,
    caller: Caller,
    /// Which channel of the room's id it reads.
    epoch: u64,
    /// Whether that was told to be gone.
    pub(super) gone: bool,
    memory: Memory,
    /// Its place among all who catch up, from before anything is read for it.
    place: Option<Part>,
    /// Since when it waits for that.
    waiting: Option<Instant>,
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

    pub(super) fn new(events: Box<dyn EventStream>, room: Arc<Room>, listener: Listener, caller: Caller, epoch: u64) -> Self {
        Self { events, room, listener, caller, epoch, gone: false, memory: Memory::default(), place: None, waiting: None, pause: None }
    }

    /// Tells the next of what was missed, once there is a place for it and the client has taken most of what waits. Whoever takes nothing
    /// is cut off, and a person who is sent away meanwhile does not find the channel. Giving up the wait loses nothing.
    pub(crate) async fn step(&mut self, places: &Arc<Stock>) -> ServiceResult<Step> {
        if self.room.inner.lock().caught_up(self.listener.key, self.events.position(), self.epoch) {
            return Ok(Step::Done);
        }
        if let Some(until) = self.pause {
            sleep_until(until).await;
            self.pause = None;
            return Ok(Step::Nothing);
        }
        self.take_place(places).await;
        self.listener.outbox.room(limits::CATCH_UP_BYTES, limits::CATCH_UP_TIME).await;
        match self.events.next().await? {
            // A piece of a reply belongs to the present, and the room will tell the next.
            Some(StreamItem::Chunk(_)) => {}
            // The room tells of it.
            Some(StreamItem::Event(event)) if matches!(event.body, EventBody::ChannelDeleted) => self.gone = true,
            Some(item) => {
                for frame in frames(&item, &mut self.memory) {
                    self.listener.outbox.push(frame);
                }
            }
            None if is_person(&self.caller) && !self.gone => return Err(ServiceError::NotFound(Thing::Channel)),
            // So that the room has time to learn of it, too, the next step waits.
            None => {
                self.place = None;
                self.pause = Some(Instant::now() + limits::ROOM_PAUSE);
            }
        }
        Ok(Step::Told)
    }

    /// Waits for a place. For whom there is none for long is cut off, and comes again: it is told nothing meanwhile, and does not know.
    async fn take_place(&mut self, places: &Arc<Stock>) {
        let since = *self.waiting.get_or_insert_with(Instant::now);
        while self.place.is_none() {
            self.place = places.take(self.caller.makes_for(), 1).ok();
            if self.place.is_none() {
                if since.elapsed() > limits::CATCH_UP_WAIT {
                    self.listener.outbox.lag();
                }
                sleep(limits::CATCH_UP_PAUSE).await;
            }
        }
        self.waiting = None;
    }
}

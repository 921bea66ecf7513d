//! Reading a channel's events: durable ones in order and without doubles, pieces of replies as they come.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use core_types::access::Wanted;
use core_types::bus::{BusEvent, Lagged, ReplyChunk, Subscription};
use core_types::messaging::{ChannelEvent, EventBody, EventStream, MessageRepository, StreamItem};
use core_types::{Caller, ChannelId, MessageId, ServiceResult};
use tokio::time::{Duration, timeout};

use crate::permission::Access;

/// Events read from the store at once; fewer where their messages are large.
const PAGE: u32 = 50;

/// So many messages are remembered as handed out.
const LATEST: usize = 32;

/// How often the store is asked although the bus is silent.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// Who reads, and what that one can reach.
pub(super) struct Reader {
    pub(super) caller: Caller,
    pub(super) access: Access,
}

impl Reader {
    /// Whether it must be asked again and again: a person may be taken out of a channel, everybody else's reach stays.
    fn may_lose_it(&self) -> bool {
        self.caller.reach().is_some_and(|reach| reach.person.is_some())
    }

    fn sees_everything(&self) -> bool {
        self.caller.reach().is_none()
    }

    async fn may_read(&self, channel: ChannelId) -> ServiceResult<bool> {
        self.access.reaches(&self.caller, Wanted::Channel(channel)).await
    }
}

/// A reader's place in a channel.
pub(super) struct Events {
    messages: Arc<dyn MessageRepository>,
    subscription: Box<dyn Subscription>,
    channel: ChannelId,
    /// Who reads.
    reader: Reader,
    /// The last sequence number that was handed out or is ready to be.
    position: i64,
    /// The newest sequence number known to exist; while the position is behind it, the store is read.
    newest: i64,
    /// Whether there is such a channel yet.
    exists: bool,
    ready: VecDeque<StreamItem>,
    /// The last messages that were handed out: pieces of them come too late.
    replies: VecDeque<MessageId>,
    /// Whether something may have been missed, so that the store is asked for the newest sequence number.
    missed: bool,
    ended: bool,
}

impl Events {
    pub(super) fn new(
        messages: Arc<dyn MessageRepository>,
        subscription: Box<dyn Subscription>,
        channel: ChannelId,
        reader: Reader,
        position: i64,
        newest: i64,
        exists: bool,
    ) -> Self {
        Self {
            messages,
            subscription,
            channel,
            reader,
            position,
            newest,
            exists,
            ready: VecDeque::new(),
            replies: VecDeque::new(),
            missed: false,
            ended: false,
        }
    }

    /// Reads on from the store. What is missing there is a gap: retention has passed over it. Who reads slowly may be let go on where the
    /// channel is another by now, so it is asked again.
    async fn catch_up(&mut self) -> ServiceResult<()> {
        if self.exists && !self.reader.may_read(self.channel).await? {
            self.ended = true;
            return Ok(());
        }
        let page = self.messages.events(self.channel, self.position, PAGE).await?;
        let is_end = page.is_empty();
        for event in page {
            self.take(Arc::new(event));
        }
        if is_end && self.position < self.newest {
            self.ready.push_back(StreamItem::Gap { from: self.position + 1, to: self.newest });
            self.position = self.newest;
        }
        Ok(())
    }

    /// Asks the store how far the channel has come. What is behind what was read already is another channel of the same id.
    async fn look(&mut self) -> ServiceResult<()> {
        match self.messages.last_seq(self.channel).await? {
            Some(newest) if newest < self.position => self.ended = true,
            // It may have been made by somebody else meanwhile.
            Some(_) if !self.reader.may_read(self.channel).await? => self.ended = true,
            Some(newest) => {
                self.newest = newest;
                self.exists = true;
            }
            // The channel was deleted while nobody looked.
            None => self.ended = self.exists,
        }
        self.missed = false;
        Ok(())
    }

    /// Hands out the next of what is ready, if who reads may still have it; else this is the end. It stays ready while that is asked, since
    /// whoever waits may give up.
    async fn hand_out(&mut self) -> ServiceResult<Option<StreamItem>> {
        let is_end = matches!(self.ready.front(), Some(StreamItem::Event(event)) if matches!(event.body, EventBody::ChannelDeleted));
        if self.reader.may_lose_it() && !is_end && !self.reader.may_read(self.channel).await? {
            self.ended = true;
            self.ready.clear();
        }
        Ok(self.ready.pop_front())
    }

    /// Hands out a stored event in its place.
    fn take(&mut self, event: Arc<ChannelEvent>) {
        if event.seq <= self.position {
            return;
        }
        if event.seq > self.position + 1 {
            self.ready.push_back(StreamItem::Gap { from: self.position + 1, to: event.seq - 1 });
        }
        self.position = event.seq;
        self.newest = self.newest.max(event.seq);
        if let EventBody::Message(Some(message)) = &event.body {
            self.replies.truncate(LATEST - 1);
            self.replies.push_front(message.id);
        }
        self.ready.push_back(StreamItem::Event(event));
    }

    /// A published event is handed out if it is the next one. Otherwise the store is asked: two commits may be published in either
    /// order, and what is told of a channel that there is not may be of one that is gone.
    fn hear(&mut self, event: Arc<ChannelEvent>) {
        if matches!(event.body, EventBody::ChannelDeleted) {
            self.ended = true;
            // Of a channel that was never seen to be there it may be another's end.
            if self.exists || self.reader.sees_everything() {
                self.ready.push_back(StreamItem::Event(event));
            }
        } else if self.exists && event.seq == self.position + 1 {
            self.take(event);
        } else if !self.exists || event.seq > self.position {
            self.missed = true;
        }
    }

    /// Whether the message that a piece belongs to has been handed out already.
    fn is_late(&self, chunk: &ReplyChunk) -> bool {
        self.replies.contains(&chunk.reply_id)
    }
}

#[async_trait]
impl EventStream for Events {
    async fn next(&mut self) -> ServiceResult<Option<StreamItem>> {
        loop {
            if !self.ready.is_empty() {
                return self.hand_out().await;
            }
            if self.ended {
                return Ok(None);
            }
            if self.position < self.newest {
                self.catch_up().await?;
                continue;
            }
            if self.missed {
                self.look().await?;
                continue;
            }
            match timeout(LOOK_AGAIN, self.subscription.next()).await {
                Ok(Ok(BusEvent::Channel(event))) => self.hear(event),
                // Where the channel is not known to be there, it is not known whose it is.
                Ok(Ok(BusEvent::Chunk(chunk))) if !self.exists || self.is_late(&chunk) => {}
                Ok(Ok(BusEvent::Chunk(chunk))) => self.ready.push_back(StreamItem::Chunk(chunk)),
                Ok(Ok(_)) => {}
                // A lost event costs latency, not data.
                Ok(Err(Lagged)) | Err(_) => self.missed = true,
            }
        }
    }

    fn position(&self) -> i64 {
        match self.ready.front() {
            Some(StreamItem::Event(event)) if event.seq > 0 => event.seq - 1,
            Some(StreamItem::Gap { from, .. }) => from - 1,
            _ => self.position,
        }
    }
}

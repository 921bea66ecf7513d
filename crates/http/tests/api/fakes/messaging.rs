//! Messages, replies and events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use core_types::messaging::{
    ChannelVersion, EventStream, FoundMessages, Message, MessageChange, MessagePage, MessageSearch, MessagingService, NewMessage,
    PostReceipt, ReplyEvent, ReplyForm, ReplyStream, StreamItem, Title,
};
use core_types::{AgentId, Caller, ChannelId, MessageId, ServiceResult, Timestamp};

use super::{Call, Fakes, NOW, message};

struct Replies(VecDeque<ReplyEvent>);

#[async_trait]
impl ReplyStream for Replies {
    async fn next(&mut self) -> Option<ReplyEvent> {
        match self.0.pop_front() {
            Some(event) => Some(event),
            None => std::future::pending().await,
        }
    }
}

struct Events(VecDeque<ServiceResult<Option<StreamItem>>>);

#[async_trait]
impl EventStream for Events {
    async fn next(&mut self) -> ServiceResult<Option<StreamItem>> {
        match self.0.pop_front() {
            Some(item) => item,
            None => std::future::pending().await,
        }
    }

    fn position(&self) -> i64 {
        0
    }
}

impl Fakes {
    /// What one who waits for a reply is told.
    pub fn told(&self, form: ReplyForm) -> Box<dyn ReplyStream> {
        let mut replies = std::mem::take(&mut *self.replies.lock().unwrap());
        replies.retain(|reply| form == ReplyForm::Pieces || !matches!(reply, ReplyEvent::Chunk(_)));
        Box::new(Replies(replies))
    }
}

#[async_trait]
impl MessagingService for Fakes {
    async fn post(&self, _: &Caller, message: NewMessage) -> ServiceResult<PostReceipt> {
        self.note(Call::Post(message.clone())).map(|()| self.receipt(message))
    }

    async fn exchange(&self, _: &Caller, message: NewMessage, form: ReplyForm) -> ServiceResult<(PostReceipt, Box<dyn ReplyStream>)> {
        self.note(Call::Exchange(message.clone()))?;
        if self.is_stuck.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        Ok((self.receipt(message), self.told(form)))
    }

    async fn page(
        &self,
        _: &Caller,
        channel: ChannelId,
        before: Option<Timestamp>,
        limit: u32,
        known: Option<ChannelVersion>,
    ) -> ServiceResult<MessagePage> {
        self.note(Call::List(channel, before, limit, known.map(|version| version.seq)))?;
        let (message, now) = (message(), Timestamp::from_millis(NOW));
        let seq = message.seq + *self.later.lock().unwrap();
        let version = ChannelVersion { seq, last_message_at: now, created_at: now };
        if known == Some(version) {
            return Ok(MessagePage::Known);
        }
        let content = if seq == message.seq { message.content.clone() } else { format!("{seq}") };
        Ok(MessagePage::Read(Some(version), vec![Message { content, ..message }; usize::try_from(limit.min(1)).unwrap()]))
    }

    async fn get(&self, _: &Caller, id: MessageId) -> ServiceResult<Message> {
        self.note(Call::Message(id)).map(|()| message())
    }

    async fn search(&self, _: &Caller, search: MessageSearch) -> ServiceResult<FoundMessages> {
        self.note(Call::Search(search))?;
        Ok(FoundMessages { messages: vec![message()], searched_to: Some(Timestamp::from_millis(NOW)) })
    }

    async fn edit(&self, _: &Caller, id: MessageId, change: MessageChange) -> ServiceResult<Arc<Message>> {
        self.note(Call::Edit(id, change)).map(|()| Arc::new(message()))
    }

    async fn remove(&self, _: &Caller, channel: ChannelId, id: MessageId) -> ServiceResult<()> {
        self.note(Call::RemoveMessage(channel, id))
    }

    async fn clear(&self, _: &Caller, channel: ChannelId) -> ServiceResult<()> {
        self.note(Call::Clear(channel))
    }

    async fn title(&self, _: &Caller, channel: ChannelId, agent: AgentId, before: Option<Timestamp>, limit: u32) -> ServiceResult<Title> {
        self.note(Call::Title(channel, agent, before, limit))?;
        Ok(self.title.lock().unwrap().clone().unwrap_or(Title::TooShort))
    }

    async fn complete(&self, _: &Caller, channel: ChannelId) -> ServiceResult<()> {
        self.note(Call::Complete(channel))
    }

    async fn complete_message(&self, _: &Caller, id: MessageId) -> ServiceResult<Message> {
        self.note(Call::CompleteMessage(id)).map(|()| message())
    }

    async fn subscribe(&self, _: &Caller, _: ChannelId, after: Option<i64>) -> ServiceResult<Box<dyn EventStream>> {
        self.note(Call::Subscribe(after))?;
        Ok(Box::new(Events(std::mem::take(&mut *self.items.lock().unwrap()))))
    }

    async fn await_channel(&self, caller: &Caller, channel: ChannelId, after: Option<i64>) -> ServiceResult<Box<dyn EventStream>> {
        self.subscribe(caller, channel, after).await
    }
}

//! Waiting for one reply, from the bus where it is quick and from the store where the bus missed something.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::bus::{BusEvent, Lagged, Subscription};
use core_types::deliveries::{Delivery, DeliveryState};
use core_types::error::chain;
use core_types::messaging::{Completion, EventBody, Message, Posted, ReplyEvent, ReplyStream};
use core_types::{ChannelId, ServiceResult};
use tokio::time::{Duration, Instant, timeout_at};

use super::{Messaging, MessagingPorts};
use crate::places::Place;

/// How often the store is asked although the bus is silent: what a lost event costs at most.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Events read from the store at once; fewer where their messages are large.
const PAGE: u32 = 200;

/// One caller's wait.
pub(super) struct Reply {
    ports: MessagingPorts,
    subscription: Box<dyn Subscription>,
    channel: ChannelId,
    /// The delivery that must answer; none only where a repeated message had none.
    awaited: Option<Delivery>,
    /// The sequence number after which the end can be found in the store.
    posted_seq: i64,
    /// The reply, which is published before the end of its delivery.
    heard: Option<Arc<Message>>,
    /// Whether to look into the store before listening, since the end may lie in the past.
    look_first: bool,
    deadline: Instant,
    ended: bool,
    _place: Place,
}

impl Reply {
    pub(super) fn new(posted: &Posted, repeated: bool, subscription: Box<dyn Subscription>, service: &Messaging, place: Place) -> Self {
        Self {
            ports: service.ports.clone(),
            subscription,
            channel: posted.message.channel_id,
            awaited: posted.deliveries.first().cloned(),
            posted_seq: posted.message.seq,
            heard: None,
            look_first: repeated,
            deadline: Instant::now() + service.limits.reply_wait,
            ended: false,
            _place: place,
        }
    }

    /// What a published event means for this wait.
    async fn hear(&mut self, event: BusEvent, awaited: &Delivery) -> ServiceResult<Option<ReplyEvent>> {
        match event {
            BusEvent::Chunk(chunk) if chunk.reply_id == awaited.reply_id => Ok(Some(ReplyEvent::Chunk(chunk))),
            BusEvent::AgentChanged(agent) if agent == awaited.agent_id => self.look(awaited).await,
            BusEvent::Channel(event) => match &event.body {
                EventBody::Message(Some(message)) if message.id == awaited.reply_id => {
                    self.heard = Some(Arc::clone(message));
                    Ok(None)
                }
                EventBody::Complete(Some(completion)) if completion.delivery_id == awaited.id => {
                    self.end(completion.clone(), awaited).await.map(Some)
                }
                EventBody::ChannelDeleted => Ok(Some(ReplyEvent::Deleted("The channel was deleted".to_owned()))),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// What the store says, for a wait that may have missed its end.
    async fn look(&mut self, awaited: &Delivery) -> ServiceResult<Option<ReplyEvent>> {
        let state = self.ports.deliveries.find(awaited.id).await?.map(|delivery| delivery.state);
        match state {
            Some(DeliveryState::Pending) => self.look_for_agent(awaited).await,
            Some(DeliveryState::Claimed) => Ok(None),
            Some(DeliveryState::Cancelled) | None => Ok(Some(cancelled())),
            Some(DeliveryState::Replied) => self.replied(awaited).await.map(Some),
            Some(DeliveryState::Ignored | DeliveryState::Superseded | DeliveryState::Failed) => {
                match self.stored_completion(awaited).await? {
                    Some(completion) => self.end(completion, awaited).await.map(Some),
                    None => Ok(Some(ReplyEvent::Failed("How this ended is no longer kept".to_owned()))),
                }
            }
        }
    }

    /// Nobody should wait for an agent that was stopped.
    async fn look_for_agent(&mut self, awaited: &Delivery) -> ServiceResult<Option<ReplyEvent>> {
        let running = self.ports.agents.find(awaited.agent_id).await?.is_some_and(|agent| agent.running);
        Ok((!running).then(|| ReplyEvent::Failed("The agent was stopped; it answers when it is started again".to_owned())))
    }

    async fn replied(&mut self, awaited: &Delivery) -> ServiceResult<ReplyEvent> {
        let message = match self.heard.take() {
            Some(message) => Some(message),
            None => self.ports.messages.find(awaited.reply_id).await?.filter(|reply| reply.channel_id == self.channel).map(Arc::new),
        };
        Ok(message.map_or_else(|| ReplyEvent::Deleted("The reply has been deleted".to_owned()), ReplyEvent::Replied))
    }

    async fn stored_completion(&mut self, awaited: &Delivery) -> ServiceResult<Option<Completion>> {
        let mut after = self.posted_seq;
        loop {
            let page = self.ports.messages.events(self.channel, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(None) };
            after = last.seq;
            for event in page {
                match event.body {
                    EventBody::Complete(Some(completion)) if completion.delivery_id == awaited.id => return Ok(Some(completion)),
                    _ => {}
                }
            }
        }
    }

    async fn end(&mut self, completion: Completion, awaited: &Delivery) -> ServiceResult<ReplyEvent> {
        Ok(match completion.state {
            DeliveryState::Replied => self.replied(awaited).await?,
            DeliveryState::Ignored | DeliveryState::Superseded => ReplyEvent::Silent { superseded_by: completion.superseded_by },
            DeliveryState::Failed => ReplyEvent::Failed(completion.error.unwrap_or_else(|| "The agent could not answer".to_owned())),
            DeliveryState::Cancelled | DeliveryState::Pending | DeliveryState::Claimed => cancelled(),
        })
    }

    async fn step(&mut self, awaited: &Delivery) -> ServiceResult<Option<ReplyEvent>> {
        if std::mem::take(&mut self.look_first) {
            return self.look(awaited).await;
        }
        let now = Instant::now();
        if now >= self.deadline {
            return Ok(Some(ReplyEvent::TimedOut));
        }
        match timeout_at(self.deadline.min(now + LOOK_AGAIN), self.subscription.next()).await {
            Ok(Ok(event)) => self.hear(event, awaited).await,
            Ok(Err(Lagged)) | Err(_) => self.look(awaited).await,
        }
    }
}

fn cancelled() -> ReplyEvent {
    ReplyEvent::Deleted("The agent, the message or the channel was deleted".to_owned())
}

#[async_trait]
impl ReplyStream for Reply {
    async fn next(&mut self) -> Option<ReplyEvent> {
        if self.ended {
            return None;
        }
        let Some(awaited) = self.awaited.clone() else {
            self.ended = true;
            return Some(ReplyEvent::Silent { superseded_by: None });
        };
        loop {
            let event = match self.step(&awaited).await {
                Ok(None) => continue,
                Ok(Some(event)) => event,
                Err(error) => {
                    log::error!("cannot follow delivery {}: {}", awaited.id, chain(&error));
                    ReplyEvent::Failed("The server lost track of the reply; it will be in the channel".to_owned())
                }
            };
            self.ended = !matches!(event, ReplyEvent::Chunk(_));
            return Some(event);
        }
    }
}

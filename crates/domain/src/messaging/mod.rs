//! Messages: every door makes one call, which is one transaction.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use core_types::access::Wanted;
use core_types::agents::AgentRepository;
use core_types::bus::{BusEvent, EventBus, Subscription, Topic};
use core_types::deliveries::DeliveryRepository;
use core_types::jobs::MAX_JOBS;
use core_types::messaging::{
    ChannelEvent, ChannelVersion, Door, EventBody, EventStream, FoundMessages, Message, MessageChange, MessagePage, MessageRepository,
    MessageSearch, MessagingService, NewMessage, PostOutcome, PostReceipt, Posted, ReplyForm, ReplyStream, Title, Wake,
};
use core_types::models::AgentModels;
use core_types::{
    AgentId, Caller, ChannelId, Clock, Ids, InvalidCode, MessageId, Permission, ServiceError, ServiceResult, Thing, Timestamp,
};

use crate::permission::{Access, require, require_voice};
use crate::places::{LongReads, Places};
use crate::tell::tell;
use crate::whole::whole;

mod backlog;
mod draft;
mod events;
mod reply;
mod title;

use backlog::Backlog;

/// A page of more messages than this may be many times as large as what clients usually ask for.
const SHORT_PAGE: u32 = 100;

/// How long and how many callers may wait for replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessagingLimits {
    /// A caller waits at most this long; the agent goes on.
    pub reply_wait: Duration,
    /// At most this many callers wait at once.
    pub waiting_replies: usize,
    /// At most this many messages wait for one agent.
    pub waiting_messages: u64,
}

impl Default for MessagingLimits {
    fn default() -> Self {
        Self { reply_wait: Duration::from_mins(2), waiting_replies: 1024, waiting_messages: 10_000 }
    }
}

/// The ports that [`Messaging`] works through.
#[derive(Clone)]
pub struct MessagingPorts {
    /// Where messages and events are kept.
    pub messages: Arc<dyn MessageRepository>,
    /// Where deliveries are kept.
    pub deliveries: Arc<dyn DeliveryRepository>,
    /// Where agents are kept; who waits for one that was stopped is told.
    pub agents: Arc<dyn AgentRepository>,
    /// What callers can reach.
    pub access: Access,
    /// Who makes titles.
    pub models: Arc<dyn AgentModels>,
    /// Who is told what happens.
    pub bus: Arc<dyn EventBus>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where new ids come from.
    pub ids: Arc<dyn Ids>,
    /// The places that searches and long pages take.
    pub reads: LongReads,
}

/// Takes in messages, hands out messages, events and replies.
pub struct Messaging {
    ports: MessagingPorts,
    limits: MessagingLimits,
    waiting: Places,
    titles: Places,
    backlog: Arc<Backlog>,
}

impl Messaging {
    /// A message within reach. It is the one that was read whose channel is asked about: its id may be another's a moment later.
    async fn message(&self, caller: &Caller, id: MessageId) -> ServiceResult<Message> {
        let not_found = || ServiceError::NotFound(Thing::Message);
        let message = self.ports.messages.find(id).await?.ok_or_else(not_found)?;
        if self.ports.access.reaches(caller, Wanted::Channel(message.channel_id)).await? { Ok(message) } else { Err(not_found()) }
    }

    /// A page of a channel that the caller reaches. A long one takes a place: many at once would keep all readers of the database busy.
    async fn read(
        &self,
        caller: &Caller,
        channel: ChannelId,
        before: Option<Timestamp>,
        limit: u32,
        known: Option<ChannelVersion>,
    ) -> ServiceResult<MessagePage> {
        let _place = self.ports.reads.place_if(limit > SHORT_PAGE, caller).await?;
        Ok(self.ports.messages.page(channel, before, limit, known).await?)
    }

    /// Refuses a caller that is one person and did not say this.
    fn require_own(caller: &Caller, message: &Message) -> ServiceResult<()> {
        if caller.reach().is_some_and(|reach| reach.person.is_some()) { require_voice(caller, message.author_id) } else { Ok(()) }
    }

    /// Refuses a tenant that would change what another's agent said, and by it what that agent remembers to have said.
    async fn own_words(&self, caller: &Caller, message: &Message) -> ServiceResult<()> {
        if caller.reach().is_none() {
            return Ok(());
        }
        let author = message.author_id.as_agent();
        if self.ports.agents.exists(author).await? && !self.ports.access.reaches(caller, Wanted::OwnAgent(author)).await? {
            return Err(ServiceError::forbidden("What another's agent said can be removed, and not changed"));
        }
        Ok(())
    }

    /// The service over a store and a bus.
    pub fn new(ports: MessagingPorts, limits: MessagingLimits) -> Self {
        let (waiting, titles) = (Places::new(limits.waiting_replies), Places::new(title::AT_ONCE));
        let backlog = Arc::new(Backlog::new(limits.waiting_messages, Arc::clone(&ports.deliveries)));
        Self { ports, limits, waiting, titles, backlog }
    }

    /// Counts what waits for agents, for as long as it is polled. Without it nobody is told to wait.
    pub fn watch_backlog(&self) -> impl Future<Output = ()> + Send + use<> {
        Arc::clone(&self.backlog).watch()
    }

    /// A reader of a channel whose last event is `last`, where there is such a channel.
    fn events(
        &self,
        caller: &Caller,
        subscription: Box<dyn Subscription>,
        channel: ChannelId,
        after: Option<i64>,
        last: Option<i64>,
    ) -> events::Events {
        let newest = last.unwrap_or(0);
        let position = after.map_or(newest, |after| after.clamp(0, newest));
        let reader = events::Reader { caller: caller.clone(), access: self.ports.access.clone() };
        events::Events::new(Arc::clone(&self.ports.messages), subscription, channel, reader, position, newest, last.is_some())
    }

    /// Writes the message, then tells the readers of its channel and the workers. Returns whether it was there before.
    async fn write(&self, caller: &Caller, message: NewMessage, wake: Wake) -> ServiceResult<(Posted, bool)> {
        require(caller, Permission::MessagesWrite)?;
        require_voice(caller, message.author_id)?;
        let in_session = matches!(message.door, Door::Session(_));
        let mut post = draft::post(caller, message, wake, self.ports.ids.uuid().into(), self.ports.clock.now());
        let tenant = caller.reach().map(|reach| &reach.tenant);
        post.full = self.backlog.full(tenant).await;
        let ports = self.ports.clone();
        let outcome = whole(async move {
            let outcome = ports.messages.post(post).await?;
            if let PostOutcome::Posted(posted) = &outcome {
                publish(ports.bus.as_ref(), posted).await;
            }
            Ok(outcome)
        });
        match outcome.await? {
            PostOutcome::Posted(posted) => {
                self.backlog.came(&posted.deliveries);
                Ok((posted, false))
            }
            PostOutcome::AgentFull(agent) => Err(self.backlog.refusal(agent, tenant)),
            PostOutcome::Repeated(posted) => Ok((posted, true)),
            PostOutcome::Conflict => Err(ServiceError::conflict("This id or idempotency key was used before with another message")),
            PostOutcome::NoChannel if in_session => Err(ServiceError::NotFound(Thing::Session)),
            PostOutcome::NoChannel => Err(ServiceError::NotFound(Thing::Channel)),
            PostOutcome::NoSession => Err(ServiceError::NotFound(Thing::Session)),
            PostOutcome::SessionOver => Err(ServiceError::SessionExpired),
            PostOutcome::TooManyJobs => Err(ServiceError::Overloaded {
                message: format!("As many jobs are under way as there may be: {MAX_JOBS}, of which one tenant has a quarter"),
                retry_after: Duration::from_secs(5),
            }),
            PostOutcome::ChannelWasAnothers => Err(ServiceError::conflict(
                "A channel of this id was somebody else's within the last day. Choose another id for the new one",
            )),
            PostOutcome::NoServer => Err(ServiceError::NotFound(Thing::Server)),
            PostOutcome::NoAgent => Err(ServiceError::invalid(
                InvalidCode::NoAgent,
                "No running agent takes part in this channel and listens on its server: start one, add it to the channel, or tie it to the server",
            )),
            PostOutcome::AuthorIsAgent => Err(ServiceError::forbidden("An agent of this server cannot be the author here; use submit")),
        }
    }
}

async fn publish(bus: &dyn EventBus, posted: &Posted) {
    let message = &posted.message;
    let channel = message.channel_id;
    let event = ChannelEvent {
        channel_id: channel,
        seq: message.seq,
        body: EventBody::Message(Some(Arc::clone(message))),
        created_at: message.created_at,
    };
    bus.publish(Topic::Channel(channel), BusEvent::Channel(Arc::new(event))).await;
    if !posted.deliveries.is_empty() {
        let ready = BusEvent::DeliveriesReady {
            channel,
            author: message.author_id,
            message: message.id,
            seq: message.seq,
            woken: posted.deliveries.iter().map(|delivery| (delivery.agent_id, delivery.must_answer)).collect(),
        };
        bus.publish(Topic::Work, ready).await;
    }
}

#[async_trait]
impl MessagingService for Messaging {
    async fn post(&self, caller: &Caller, message: NewMessage) -> ServiceResult<PostReceipt> {
        let expects_agents = !message.door.agents_may_speak();
        let wake = match message.door {
            Door::Action => Wake::Nobody,
            Door::Job(terms) => Wake::OneAnswers(Some(terms.agent)),
            Door::Channel | Door::Submit | Door::Ingest | Door::Socket | Door::Session(_) => Wake::Listeners,
        };
        let (posted, repeated) = self.write(caller, message, wake).await?;
        let mut warnings = Vec::new();
        if expects_agents && posted.deliveries.is_empty() {
            warnings.push("No running agent takes part in this channel, so nobody will answer".to_owned());
        }
        Ok(PostReceipt { message: posted.message, repeated, warnings, renewal: posted.renewal })
    }

    async fn exchange(&self, caller: &Caller, message: NewMessage, form: ReplyForm) -> ServiceResult<(PostReceipt, Box<dyn ReplyStream>)> {
        let place = self.waiting.take(caller).ok_or_else(|| ServiceError::Overloaded {
            message: "Too many callers wait for replies; use the websocket transport or try again".to_owned(),
            retry_after: Duration::from_secs(1),
        })?;
        // Subscribed before the commit, so that the shortest reply is not missed.
        let topic = match form {
            ReplyForm::Pieces => Topic::Channel(message.channel_id),
            ReplyForm::Whole => Topic::Quiet(message.channel_id),
        };
        let subscription = self.ports.bus.subscribe(topic).await;
        let target = draft::target_agent(&message.metadata);
        let (posted, repeated) = self.write(caller, message, Wake::OneAnswers(target)).await?;
        let renewal = posted.renewal.clone();
        let receipt = PostReceipt { message: Arc::clone(&posted.message), repeated, warnings: Vec::new(), renewal };
        let reply = reply::Reply::new(&posted, repeated, subscription, self, place);
        Ok((receipt, Box::new(reply)))
    }

    async fn page(
        &self,
        caller: &Caller,
        channel: ChannelId,
        before: Option<Timestamp>,
        limit: u32,
        known: Option<ChannelVersion>,
    ) -> ServiceResult<MessagePage> {
        require(caller, Permission::MessagesRead)?;
        self.ports.access.to(caller, Wanted::Channel(channel)).await?;
        self.read(caller, channel, before, limit, known).await
    }

    async fn get(&self, caller: &Caller, id: MessageId) -> ServiceResult<Message> {
        require(caller, Permission::MessagesRead)?;
        self.message(caller, id).await
    }

    async fn search(&self, caller: &Caller, search: MessageSearch) -> ServiceResult<FoundMessages> {
        require(caller, Permission::MessagesRead)?;
        let _place = self.ports.reads.place(caller).await?;
        Ok(self.ports.messages.search(caller.reach(), search).await?)
    }

    async fn edit(&self, caller: &Caller, id: MessageId, change: MessageChange) -> ServiceResult<Arc<Message>> {
        require(caller, Permission::MessagesWrite)?;
        let message = self.message(caller, id).await?;
        Self::require_own(caller, &message)?;
        self.own_words(caller, &message).await?;
        if let Some(author) = change.author_id {
            require_voice(caller, author)?;
            if !caller.may_speak_as_agent() && self.ports.agents.exists(author.as_agent()).await? {
                return Err(ServiceError::forbidden("An agent of this server cannot be made the author"));
            }
        }
        let (ports, place) = (self.ports.clone(), message.place());
        whole(async move {
            let updated = ports.messages.update(place, change, ports.clock.now()).await?;
            let (message, event) = updated.ok_or(ServiceError::NotFound(Thing::Message))?;
            tell(ports.bus.as_ref(), vec![event]).await;
            Ok(message)
        })
        .await
    }

    async fn remove(&self, caller: &Caller, channel: ChannelId, id: MessageId) -> ServiceResult<()> {
        require(caller, Permission::MessagesWrite)?;
        let found = self.ports.messages.find(id).await?;
        // Asked behind that: it is the channel that the message was in.
        self.ports.access.to(caller, Wanted::Channel(channel)).await?;
        // What is not there is gone already, and what is in another channel is as if it were not there.
        let Some(message) = found.filter(|message| message.channel_id == channel) else { return Ok(()) };
        Self::require_own(caller, &message)?;
        let (ports, place) = (self.ports.clone(), message.place());
        whole(async move {
            let told = ports.messages.remove(place, ports.clock.now()).await?;
            tell(ports.bus.as_ref(), told).await;
            Ok(())
        })
        .await
    }

    async fn clear(&self, caller: &Caller, channel: ChannelId) -> ServiceResult<()> {
        require(caller, Permission::MessagesWrite)?;
        self.ports.access.to(caller, Wanted::OwnChannel(channel)).await?;
        let ports = self.ports.clone();
        whole(async move {
            let told = ports.messages.clear(channel, ports.clock.now()).await?;
            tell(ports.bus.as_ref(), told).await;
            Ok(())
        })
        .await
    }

    async fn title(
        &self,
        caller: &Caller,
        channel: ChannelId,
        agent: AgentId,
        before: Option<Timestamp>,
        limit: u32,
    ) -> ServiceResult<Title> {
        require(caller, Permission::MessagesWrite)?;
        // A title tells what is said there.
        require(caller, Permission::MessagesRead)?;
        self.ports.access.to(caller, Wanted::Channel(channel)).await?;
        self.ports.access.to(caller, Wanted::Agent(agent)).await?;
        // Also where there is too little to name, as with elizaOS: whoever asks an agent that does not run is told so.
        let runs = self.ports.agents.find(agent).await?.is_some_and(|agent| agent.running);
        if !runs {
            return Err(ServiceError::NotFound(Thing::Agent));
        }
        let messages = self.read(caller, channel, before, limit, None).await?.messages();
        title::make(self.ports.models.as_ref(), &self.titles, caller, agent, messages).await
    }

    async fn complete(&self, caller: &Caller, channel: ChannelId) -> ServiceResult<()> {
        require(caller, Permission::MessagesWrite)?;
        self.ports.access.to(caller, Wanted::Channel(channel)).await?;
        let ports = self.ports.clone();
        whole(async move {
            let told = ports.messages.announce(channel, EventBody::Complete(None), ports.clock.now()).await?;
            let event = told.ok_or(ServiceError::NotFound(Thing::Channel))?;
            ports.bus.publish(Topic::Channel(channel), BusEvent::Channel(Arc::new(event))).await;
            Ok(())
        })
        .await
    }

    async fn complete_message(&self, caller: &Caller, id: MessageId) -> ServiceResult<Message> {
        require(caller, Permission::MessagesWrite)?;
        let message = self.message(caller, id).await?;
        self.complete(caller, message.channel_id).await?;
        Ok(message)
    }

    async fn subscribe(&self, caller: &Caller, channel: ChannelId, after: Option<i64>) -> ServiceResult<Box<dyn EventStream>> {
        require(caller, Permission::MessagesRead)?;
        self.ports.access.to(caller, Wanted::Channel(channel)).await?;
        // Subscribed before looking, so that nothing falls between the two.
        let subscription = self.ports.bus.subscribe(Topic::Channel(channel)).await;
        let last = self.ports.messages.last_seq(channel).await?.ok_or(ServiceError::NotFound(Thing::Channel))?;
        Ok(Box::new(self.events(caller, subscription, channel, after, Some(last))))
    }

    async fn await_channel(&self, caller: &Caller, channel: ChannelId, after: Option<i64>) -> ServiceResult<Box<dyn EventStream>> {
        require(caller, Permission::MessagesRead)?;
        let subscription = self.ports.bus.subscribe(Topic::Channel(channel)).await;
        let last = self.ports.messages.last_seq(channel).await?;
        if last.is_some() {
            self.ports.access.to(caller, Wanted::Channel(channel)).await?;
        }
        Ok(Box::new(self.events(caller, subscription, channel, after, last)))
    }
}

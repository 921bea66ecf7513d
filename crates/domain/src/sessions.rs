//! Sessions: conversations of one person with one agent that end when nobody speaks any more.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use core_types::access::Wanted;
use core_types::agents::{Agent, AgentRepository};
use core_types::messaging::{
    Channel, Door, MessageRepository, MessageWindow, MessagingService, NewMessage, PostReceipt, ReplyForm, ReplyStream,
};
use core_types::sessions::{
    MAX_SESSIONS, NewSession, Renewal, Session, SessionAdded, SessionChange, SessionChanged, SessionCount, SessionMessage, SessionMessages,
    SessionRepository, SessionService, SessionTimeout, TimeoutChange,
};
use core_types::{
    Caller, Clock, Ids, InvalidCode, JsonObject, Listed, MessageServerId, Page, Permission, ServiceError, ServiceResult, SessionId,
    StoreResult, Thing,
};
use serde_json::{Value, json};

use crate::permission::{Access, require, require_voice};

/// How long sessions may last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// The times of a session for which nothing else is said.
    pub usual: SessionTimeout,
    /// The least minutes without anything happening.
    pub least_minutes: u32,
    /// The most.
    pub most_minutes: u32,
    /// The most sessions.
    pub sessions: u32,
}

impl Default for SessionLimits {
    /// elizaOS's.
    fn default() -> Self {
        let usual = SessionTimeout { timeout_minutes: 30, auto_renew: true, max_duration_minutes: 720, warning_threshold_minutes: 5 };
        Self { usual, least_minutes: 5, most_minutes: 1_440, sessions: MAX_SESSIONS }
    }
}

impl SessionLimits {
    /// The most minutes that a session may last.
    fn most_duration(&self) -> u32 {
        self.most_minutes.saturating_mul(2).max(self.usual.max_duration_minutes)
    }

    /// The times of a new session, brought into bounds: what the caller says counts before what the agent's settings say.
    fn of_new(&self, agent: TimeoutChange, caller: TimeoutChange) -> SessionTimeout {
        let wanted = self.usual.with(agent).with(caller);
        let timeout_minutes = wanted.timeout_minutes.clamp(self.least_minutes, self.most_minutes.max(self.least_minutes));
        let said = agent.max_duration_minutes.or(caller.max_duration_minutes).is_some();
        let least_duration = if said { timeout_minutes } else { 1 };
        SessionTimeout {
            timeout_minutes,
            auto_renew: wanted.auto_renew,
            max_duration_minutes: wanted.max_duration_minutes.clamp(least_duration, self.most_duration().max(least_duration)),
            warning_threshold_minutes: wanted.warning_threshold_minutes.clamp(1, self.most_duration()),
        }
    }

    /// Refuses a change out of bounds.
    fn check(&self, change: TimeoutChange) -> ServiceResult<()> {
        let (least, most, longest) = (self.least_minutes, self.most_minutes, self.most_duration());
        let bad = |what: &str, least: u32, most: u32| {
            let message = format!("Invalid timeout configuration: {what} must be between {least} and {most} minutes");
            Err(ServiceError::invalid(InvalidCode::Session, message))
        };
        if change.timeout_minutes.is_some_and(|minutes| minutes < least || minutes > most) {
            return bad("Timeout", least, most);
        }
        if change.max_duration_minutes.is_some_and(|minutes| minutes < least || minutes > longest) {
            return bad("Maximum duration", least, longest);
        }
        if change.warning_threshold_minutes.is_some_and(|minutes| minutes < 1 || minutes > longest) {
            return bad("Warning threshold", 1, longest);
        }
        Ok(())
    }
}

/// The ports that [`Sessions`] works through.
#[derive(Clone)]
pub struct SessionPorts {
    /// Where sessions are kept.
    pub sessions: Arc<dyn SessionRepository>,
    /// Where agents are kept, whose settings say how long their sessions last.
    pub agents: Arc<dyn AgentRepository>,
    /// What callers can reach.
    pub access: Access,
    /// Where messages are read.
    pub messages: Arc<dyn MessageRepository>,
    /// Where messages are posted.
    pub messaging: Arc<dyn MessagingService>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where new ids come from.
    pub ids: Arc<dyn Ids>,
}

/// Opens, keeps alive and ends sessions.
pub struct Sessions {
    ports: SessionPorts,
    limits: SessionLimits,
}

impl Sessions {
    /// The service over a store and the messages.
    pub const fn new(ports: SessionPorts, limits: SessionLimits) -> Self {
        Self { ports, limits }
    }

    /// A session of the caller's that goes on.
    async fn live(&self, caller: &Caller, id: SessionId) -> ServiceResult<Session> {
        self.ports.access.to(caller, Wanted::Session(id)).await?;
        match self.ports.sessions.find(id).await? {
            Some(session) if session.is_over(self.ports.clock.now()) => Err(self.expired(id).await),
            Some(session) => Ok(session),
            None => Err(ServiceError::NotFound(Thing::Session)),
        }
    }

    /// What the first to see it is told of a session that is over; those after it find none.
    async fn expired(&self, id: SessionId) -> ServiceError {
        match self.ports.sessions.remove(id).await {
            Ok(true) => ServiceError::SessionExpired,
            Ok(false) => ServiceError::NotFound(Thing::Session),
            Err(error) => error.into(),
        }
    }

    async fn change(&self, caller: &Caller, id: SessionId, change: SessionChange) -> ServiceResult<Renewal> {
        self.ports.access.to(caller, Wanted::Session(id)).await?;
        match self.ports.sessions.change(id, change, self.ports.clock.now()).await? {
            SessionChanged::Done(renewal) => Ok(renewal),
            SessionChanged::Over => Err(self.expired(id).await),
            SessionChanged::Unknown => Err(ServiceError::NotFound(Thing::Session)),
        }
    }

    /// A session as it is after a post, which says so itself unless it repeats an earlier one.
    async fn after(&self, receipt: &PostReceipt, before: Session) -> ServiceResult<Renewal> {
        if let Some(renewal) = &receipt.renewal {
            return Ok(Renewal::clone(renewal));
        }
        let session = self.ports.sessions.find(before.id).await?.unwrap_or(before);
        Ok(Renewal { session, renewed: false })
    }

    /// What became of a post: one that finds the session over meanwhile is told so as any other.
    async fn posted<T>(&self, id: SessionId, outcome: ServiceResult<T>) -> ServiceResult<T> {
        match outcome {
            Err(ServiceError::SessionExpired) => Err(self.expired(id).await),
            outcome => outcome,
        }
    }

    /// Forgets sessions that are over, so many at once; returns how many.
    pub async fn sweep(&self, limit: u32) -> StoreResult<u64> {
        self.ports.sessions.prune(self.ports.clock.now(), limit).await
    }
}

#[async_trait]
impl SessionService for Sessions {
    async fn open(&self, caller: &Caller, new: NewSession) -> ServiceResult<Session> {
        require(caller, Permission::MessagesWrite)?;
        require_voice(caller, new.user_id)?;
        let server = self.ports.access.meeting_place(caller, new.agent_id).await?;
        let agent = self.ports.agents.find(new.agent_id).await?.filter(|agent| agent.running);
        let agent = agent.ok_or(ServiceError::NotFound(Thing::Agent))?;
        if let Some(id) = new.id
            && let Some(session) = self.ports.sessions.find(id).await?
        {
            // It may have been opened on a message server that is shared no more.
            self.ports.access.to(caller, Wanted::Session(id)).await?;
            return Ok(session);
        }
        let now = self.ports.clock.now();
        let session = Session {
            id: new.id.unwrap_or_else(|| self.ports.ids.uuid().into()),
            channel_id: self.ports.ids.uuid().into(),
            agent_id: new.agent_id,
            user_id: new.user_id,
            metadata: new.metadata,
            timeout: self.limits.of_new(of_agent(&agent), new.timeout),
            renewals: 0,
            created_at: now,
            last_activity: now,
            expires_at: now,
        }
        .begun();
        match self
            .ports
            .sessions
            .add(session.clone(), Channel { server_id: server, owner: caller.makes_for(), ..channel_of(&session) }, self.limits.sessions)
            .await?
        {
            SessionAdded::Added => Ok(session),
            SessionAdded::NoAgent => Err(ServiceError::NotFound(Thing::Agent)),
            SessionAdded::NoServer => Err(ServiceError::NotFound(Thing::Server)),
            SessionAdded::Full => Err(ServiceError::Overloaded {
                message: format!("As many sessions are open as there may be: {}, of which one tenant has a quarter", self.limits.sessions),
                retry_after: Duration::from_mins(1),
            }),
        }
    }

    async fn get(&self, caller: &Caller, id: SessionId) -> ServiceResult<Session> {
        require(caller, Permission::MessagesRead)?;
        self.live(caller, id).await
    }

    async fn list(&self, caller: &Caller, page: Page) -> ServiceResult<(Listed<Session>, SessionCount)> {
        require(caller, Permission::MessagesRead)?;
        let (reach, now) = (caller.reach(), self.ports.clock.now());
        Ok((self.ports.sessions.list(reach, page, now).await?, self.ports.sessions.count(reach, now).await?))
    }

    async fn count(&self, caller: &Caller) -> ServiceResult<SessionCount> {
        require(caller, Permission::MessagesRead)?;
        Ok(self.ports.sessions.count(caller.reach(), self.ports.clock.now()).await?)
    }

    async fn post(&self, caller: &Caller, id: SessionId, message: SessionMessage) -> ServiceResult<(PostReceipt, Renewal)> {
        require(caller, Permission::MessagesWrite)?;
        let session = self.live(caller, id).await?;
        let receipt = self.posted(id, self.ports.messaging.post(caller, message_in(&session, message)).await).await?;
        let renewal = self.after(&receipt, session).await?;
        Ok((receipt, renewal))
    }

    async fn exchange(
        &self,
        caller: &Caller,
        id: SessionId,
        message: SessionMessage,
        form: ReplyForm,
    ) -> ServiceResult<(PostReceipt, Renewal, Box<dyn ReplyStream>)> {
        require(caller, Permission::MessagesWrite)?;
        let session = self.live(caller, id).await?;
        let outcome = self.ports.messaging.exchange(caller, message_in(&session, message), form).await;
        let (receipt, replies) = self.posted(id, outcome).await?;
        let renewal = self.after(&receipt, session).await?;
        Ok((receipt, renewal, replies))
    }

    async fn messages(&self, caller: &Caller, id: SessionId, window: MessageWindow) -> ServiceResult<SessionMessages> {
        require(caller, Permission::MessagesRead)?;
        let session = self.live(caller, id).await?;
        // One more than asked for shows whether there are more.
        let limit = window.limit as usize;
        let wider = MessageWindow { limit: window.limit.saturating_add(1), ..window };
        let mut messages = self.ports.messages.window(session.channel_id, wider).await?;
        let has_more = messages.len() > limit;
        if has_more && window.after.is_some() && window.before.is_none() {
            // The oldest were asked for, and the newest is the one too many.
            messages.remove(0);
        }
        messages.truncate(limit);
        Ok(SessionMessages { messages, has_more })
    }

    async fn renew(&self, caller: &Caller, id: SessionId) -> ServiceResult<Session> {
        require(caller, Permission::MessagesWrite)?;
        let renewal = self.change(caller, id, SessionChange::Renew).await?;
        if !renewal.renewed {
            let message = "The session cannot be renewed: it lasts as long as a session may already";
            return Err(ServiceError::invalid(InvalidCode::Renewal, message));
        }
        Ok(renewal.session)
    }

    async fn touch(&self, caller: &Caller, id: SessionId) -> ServiceResult<Session> {
        require(caller, Permission::MessagesWrite)?;
        Ok(self.change(caller, id, SessionChange::Touch).await?.session)
    }

    async fn limit(&self, caller: &Caller, id: SessionId, change: TimeoutChange) -> ServiceResult<Session> {
        require(caller, Permission::MessagesWrite)?;
        self.limits.check(change)?;
        Ok(self.change(caller, id, SessionChange::Limit(change)).await?.session)
    }

    async fn close(&self, caller: &Caller, id: SessionId) -> ServiceResult<()> {
        require(caller, Permission::MessagesWrite)?;
        self.ports.access.to(caller, Wanted::Session(id)).await?;
        if self.ports.sessions.remove(id).await? { Ok(()) } else { Err(ServiceError::NotFound(Thing::Session)) }
    }
}

/// What an agent's settings say of its sessions. What cannot be read there says nothing.
fn of_agent(agent: &Agent) -> TimeoutChange {
    let setting = |name: &str| agent.character.settings.get(name);
    let minutes = |name: &str| match setting(name)? {
        Value::Number(number) => u32::try_from(number.as_u64()?).ok(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let auto_renew = setting("SESSION_AUTO_RENEW").and_then(|value| match value {
        Value::Bool(renews) => Some(*renews),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    });
    TimeoutChange {
        timeout_minutes: minutes("SESSION_TIMEOUT_MINUTES"),
        auto_renew,
        max_duration_minutes: minutes("SESSION_MAX_DURATION_MINUTES"),
        warning_threshold_minutes: minutes("SESSION_WARNING_THRESHOLD_MINUTES"),
    }
}

/// What a session says of itself in its channel and with its messages, beside what its caller says.
fn description(session: &Session) -> JsonObject {
    let timeout = session.timeout;
    let own = json!({
        "sessionId": session.id,
        "agentId": session.agent_id,
        "userId": session.user_id,
        "timeoutConfig": {
            "timeoutMinutes": timeout.timeout_minutes,
            "autoRenew": timeout.auto_renew,
            "maxDurationMinutes": timeout.max_duration_minutes,
            "warningThresholdMinutes": timeout.warning_threshold_minutes,
        },
        "channelType": "DM",
    });
    let mut described = session.metadata.clone();
    if let Value::Object(own) = own {
        described.extend(own);
    }
    described
}

/// The channel of a session. Of the two only the agent takes part, as with elizaOS; it is direct, so that the agent always
/// answers.
fn channel_of(session: &Session) -> Channel {
    Channel {
        id: session.channel_id,
        server_id: MessageServerId::DEFAULT,
        name: format!("session-{}", session.id),
        kind: "DM".to_owned(),
        source_type: None,
        source_id: None,
        topic: None,
        metadata: description(session),
        owner: None,
        created_at: session.created_at,
        updated_at: session.created_at,
    }
}

/// The message as it is posted to the channel.
fn message_in(session: &Session, message: SessionMessage) -> NewMessage {
    let SessionMessage { content, attachments, mut metadata, idempotency_key } = message;
    metadata.extend(description(session));
    let mut raw = JsonObject::from_iter([("content".to_owned(), json!(content))]);
    raw.extend(attachments.map(|attachments| ("attachments".to_owned(), attachments)));
    NewMessage {
        door: Door::Session(session.id),
        id: None,
        channel_id: session.channel_id,
        server_id: MessageServerId::DEFAULT,
        author_id: session.user_id,
        author_name: None,
        content,
        raw: Some(Value::Object(raw)),
        source_type: Some("user".to_owned()),
        source_id: None,
        metadata,
        in_reply_to: None,
        idempotency_key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(timeout: Option<u32>, most: Option<u32>, warning: Option<u32>) -> TimeoutChange {
        TimeoutChange { timeout_minutes: timeout, auto_renew: None, max_duration_minutes: most, warning_threshold_minutes: warning }
    }

    #[test]
    fn the_times_of_a_new_session_are_brought_into_bounds() {
        let limits = SessionLimits::default();
        let nothing = TimeoutChange::default();
        for (agent, caller, expected) in [
            (nothing, nothing, (30, 720, 5)),
            (nothing, change(Some(1), Some(1), Some(0)), (5, 5, 1)),
            (nothing, change(Some(99_999), Some(99_999), Some(99_999)), (1_440, 2_880, 2_880)),
            (nothing, change(Some(1_440), None, None), (1_440, 720, 5)),
            (change(Some(60), Some(90), Some(7)), nothing, (60, 90, 7)),
            (change(Some(60), Some(90), Some(7)), change(Some(10), None, None), (10, 90, 7)),
            (change(Some(1), None, None), nothing, (5, 720, 5)),
        ] {
            let timeout = limits.of_new(agent, caller);
            let found = (timeout.timeout_minutes, timeout.max_duration_minutes, timeout.warning_threshold_minutes);
            assert_eq!(found, expected, "{agent:?} {caller:?}");
        }
    }

    #[test]
    fn a_change_out_of_bounds_is_refused() {
        let limits = SessionLimits::default();
        for (wanted, fine) in [
            (change(Some(5), Some(5), Some(1)), true),
            (change(Some(1_440), Some(2_880), Some(2_880)), true),
            (change(Some(4), None, None), false),
            (change(Some(1_441), None, None), false),
            (change(None, Some(4), None), false),
            (change(None, Some(2_881), None), false),
            (change(None, None, Some(0)), false),
            (TimeoutChange::default(), true),
        ] {
            assert_eq!(limits.check(wanted).is_ok(), fine, "{wanted:?}");
        }
    }
}

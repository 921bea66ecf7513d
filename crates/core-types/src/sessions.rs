//! Sessions: conversations of one person with one agent that end when nobody speaks any more.

use async_trait::async_trait;
use serde_json::Value;

use crate::messaging::{Channel, Message, MessageWindow, PostReceipt, ReplyForm, ReplyStream};
use crate::page::{Listed, Page};
use crate::{AgentId, Caller, ChannelId, EntityId, JsonObject, Reach, ServiceResult, SessionId, StoreResult, Timestamp};

/// The most sessions that are kept at once. Of these a tenant has its part (`Tenant::part_of`).
pub const MAX_SESSIONS: u32 = 100_000;

const MINUTE: i64 = 60_000;

/// When a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimeout {
    /// After so many minutes without anything happening, it ends.
    pub timeout_minutes: u32,
    /// Whether anything that happens starts this time anew.
    pub auto_renew: bool,
    /// After so many minutes it ends in any case.
    pub max_duration_minutes: u32,
    /// So many minutes before its end, it is near it.
    pub warning_threshold_minutes: u32,
}

/// What changes of [`SessionTimeout`]; what is `None` stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeoutChange {
    /// See [`SessionTimeout`].
    pub timeout_minutes: Option<u32>,
    /// See [`SessionTimeout`].
    pub auto_renew: Option<bool>,
    /// See [`SessionTimeout`].
    pub max_duration_minutes: Option<u32>,
    /// See [`SessionTimeout`].
    pub warning_threshold_minutes: Option<u32>,
}

impl SessionTimeout {
    /// This with what changes.
    #[must_use]
    pub fn with(self, change: TimeoutChange) -> Self {
        Self {
            timeout_minutes: change.timeout_minutes.unwrap_or(self.timeout_minutes),
            auto_renew: change.auto_renew.unwrap_or(self.auto_renew),
            max_duration_minutes: change.max_duration_minutes.unwrap_or(self.max_duration_minutes),
            warning_threshold_minutes: change.warning_threshold_minutes.unwrap_or(self.warning_threshold_minutes),
        }
    }
}

/// A session.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Where its messages are.
    pub channel_id: ChannelId,
    /// The agent.
    pub agent_id: AgentId,
    /// Who speaks with it.
    pub user_id: EntityId,
    /// Free-form; given back exactly.
    pub metadata: JsonObject,
    /// When it ends.
    pub timeout: SessionTimeout,
    /// How often its end was put off.
    pub renewals: u32,
    /// When it began.
    pub created_at: Timestamp,
    /// When something last happened in it.
    pub last_activity: Timestamp,
    /// From then on it is over.
    pub expires_at: Timestamp,
}

impl Session {
    /// The latest moment at which it may end.
    const fn latest_end(&self) -> Timestamp {
        self.created_at.plus_millis(self.timeout.max_duration_minutes as i64 * MINUTE)
    }

    /// Its end, where its time counts from this moment.
    fn end_from(&self, begin: Timestamp) -> Timestamp {
        begin.plus_millis(i64::from(self.timeout.timeout_minutes) * MINUTE).min(self.latest_end())
    }

    /// A session that begins: its end follows from the rest.
    #[must_use]
    pub fn begun(self) -> Self {
        Self { last_activity: self.created_at, expires_at: self.end_from(self.created_at), renewals: 0, ..self }
    }

    /// Whether it is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }

    /// How many milliseconds are left.
    pub fn remaining(&self, now: Timestamp) -> i64 {
        (self.expires_at.millis() - now.millis()).max(0)
    }

    /// Whether it is about to end.
    pub fn is_near_end(&self, now: Timestamp) -> bool {
        self.remaining(now) <= i64::from(self.timeout.warning_threshold_minutes) * MINUTE
    }

    /// Puts its end off, unless it lasts as long as it may already. Returns whether it did.
    pub fn renew(&mut self, now: Timestamp) -> bool {
        self.last_activity = now;
        let can_last = self.expires_at < self.latest_end();
        if can_last {
            self.expires_at = self.end_from(now);
            self.renewals = self.renewals.saturating_add(1);
        }
        can_last
    }

    /// Notes that something happened, which puts its end off where it renews itself. Returns whether it did.
    pub fn touch(&mut self, now: Timestamp) -> bool {
        self.last_activity = now;
        self.timeout.auto_renew && self.renew(now)
    }

    /// Gives it other times; its end follows from them.
    pub fn limit(&mut self, change: TimeoutChange) {
        self.timeout = self.timeout.with(change);
        self.expires_at = self.end_from(if self.timeout.auto_renew { self.last_activity } else { self.created_at });
    }
}

/// Something that is done with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionChange {
    /// Its end is put off.
    Renew,
    /// Somebody is still there.
    Touch,
    /// It gets other times.
    Limit(TimeoutChange),
}

impl SessionChange {
    /// Does it. Returns whether the session's end was put off.
    pub fn apply(self, session: &mut Session, now: Timestamp) -> bool {
        match self {
            Self::Renew => session.renew(now),
            Self::Touch => session.touch(now),
            Self::Limit(change) => {
                session.limit(change);
                false
            }
        }
    }
}

/// A session after something was done with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Renewal {
    /// The session as it is then.
    pub session: Session,
    /// Whether its end was put off.
    pub renewed: bool,
}

/// What became of opening a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionAdded {
    /// It is stored now, and its channel with it.
    Added,
    /// Its agent does not exist. Nothing was written.
    NoAgent,
    /// The message server of its channel does not exist. Nothing was written.
    NoServer,
    /// There are as many sessions as there may be, and none of them is over. Nothing was written.
    Full,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionChanged {
    /// It was done.
    Done(Renewal),
    /// The session is over. Nothing was written.
    Over,
    /// There is no such session.
    Unknown,
}

/// How many sessions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionCount {
    /// That go on.
    pub active: u64,
    /// Of these, that are near their end.
    pub near_end: u64,
    /// That are over and not yet forgotten.
    pub over: u64,
}

/// Where sessions are kept. Every method is one transaction. A message in a session renews it in the message's own
/// transaction (`MessageRepository::post`).
#[async_trait]
pub trait SessionRepository: Send + Sync {
    /// Stores a session with its channel, in which only the agent takes part. Where there are `most` sessions already, those
    /// that are over go first.
    async fn add(&self, session: Session, channel: Channel, most: u32) -> StoreResult<SessionAdded>;

    /// The session with this id, be it over.
    async fn find(&self, id: SessionId) -> StoreResult<Option<Session>>;

    /// The sessions within reach (`Wanted::Session`) that go on, oldest first.
    async fn list(&self, reach: Option<&Reach>, page: Page, now: Timestamp) -> StoreResult<Listed<Session>>;

    /// How many there are within reach.
    async fn count(&self, reach: Option<&Reach>, now: Timestamp) -> StoreResult<SessionCount>;

    /// Changes a session that is not over.
    async fn change(&self, id: SessionId, change: SessionChange, now: Timestamp) -> StoreResult<SessionChanged>;

    /// Forgets a session; its channel stays. Returns whether there was one.
    async fn remove(&self, id: SessionId) -> StoreResult<bool>;

    /// Forgets up to `limit` sessions that are over, those first that ended first; returns how many.
    async fn prune(&self, now: Timestamp, limit: u32) -> StoreResult<u64>;
}

/// A session that a caller wants to open.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSession {
    /// The id that it shall have; a new one where absent. What has it already is found.
    pub id: Option<SessionId>,
    /// The agent.
    pub agent_id: AgentId,
    /// Who speaks with it.
    pub user_id: EntityId,
    /// Free-form.
    pub metadata: JsonObject,
    /// Which of its times are other than usual. They are brought into bounds.
    pub timeout: TimeoutChange,
}

/// A message that a caller wants to post in a session.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionMessage {
    /// Its text, not empty.
    pub content: String,
    /// Files, as the sender lists them.
    pub attachments: Option<Value>,
    /// Free-form; what the session says of itself is added.
    pub metadata: JsonObject,
    /// The caller's `Idempotency-Key`.
    pub idempotency_key: Option<String>,
}

/// Messages of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionMessages {
    /// The messages, newest first.
    pub messages: Vec<Message>,
    /// Whether there are more of those that were asked for.
    pub has_more: bool,
}

/// What a transport can ask about sessions. A session that is over is so once ([`SessionExpired`]), and then there is none.
///
/// [`SessionExpired`]: crate::ServiceError::SessionExpired
#[async_trait]
pub trait SessionService: Send + Sync {
    /// Opens a session with an agent that runs.
    async fn open(&self, caller: &Caller, session: NewSession) -> ServiceResult<Session>;

    /// One session.
    async fn get(&self, caller: &Caller, id: SessionId) -> ServiceResult<Session>;

    /// The sessions that go on, oldest first, and how many there are.
    async fn list(&self, caller: &Caller, page: Page) -> ServiceResult<(Listed<Session>, SessionCount)>;

    /// How many there are.
    async fn count(&self, caller: &Caller) -> ServiceResult<SessionCount>;

    /// Posts a message; see `MessagingService::post`.
    async fn post(&self, caller: &Caller, id: SessionId, message: SessionMessage) -> ServiceResult<(PostReceipt, Renewal)>;

    /// Posts a message and returns the reply as it is made; see `MessagingService::exchange`.
    async fn exchange(
        &self,
        caller: &Caller,
        id: SessionId,
        message: SessionMessage,
        form: ReplyForm,
    ) -> ServiceResult<(PostReceipt, Renewal, Box<dyn ReplyStream>)>;

    /// Messages of a session.
    async fn messages(&self, caller: &Caller, id: SessionId, window: MessageWindow) -> ServiceResult<SessionMessages>;

    /// Puts a session's end off, also where it does not renew itself.
    async fn renew(&self, caller: &Caller, id: SessionId) -> ServiceResult<Session>;

    /// Says that somebody is still there.
    async fn touch(&self, caller: &Caller, id: SessionId) -> ServiceResult<Session>;

    /// Gives a session other times. Out of bounds they are refused.
    async fn limit(&self, caller: &Caller, id: SessionId, change: TimeoutChange) -> ServiceResult<Session>;

    /// Ends a session. Its channel and its messages stay.
    async fn close(&self, caller: &Caller, id: SessionId) -> ServiceResult<()>;
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * MINUTE)
    }

    fn session(timeout_minutes: u32, auto_renew: bool, max_duration_minutes: u32) -> Session {
        Session {
            id: SessionId::new(Uuid::nil()),
            channel_id: ChannelId::new(Uuid::nil()),
            agent_id: AgentId::new(Uuid::nil()),
            user_id: EntityId::new(Uuid::nil()),
            metadata: JsonObject::new(),
            timeout: SessionTimeout { timeout_minutes, auto_renew, max_duration_minutes, warning_threshold_minutes: 5 },
            renewals: 9,
            created_at: at(0),
            last_activity: at(0),
            expires_at: at(0),
        }
        .begun()
    }

    #[test]
    fn a_session_ends_after_its_time_and_never_lasts_longer_than_it_may() {
        for (timeout, most, end) in [(30, 720, 30), (30, 20, 20), (20, 20, 20)] {
            let session = session(timeout, true, most);
            assert_eq!((session.expires_at, session.renewals), (at(end), 0));
            assert!(!session.is_over(at(end).plus_millis(-1)) && session.is_over(at(end)));
            assert_eq!((session.remaining(at(end - 1)), session.remaining(at(end + 1))), (MINUTE, 0));
            assert!(session.is_near_end(at(end - 5)) && !session.is_near_end(at(end - 5).plus_millis(-1)));
        }
    }

    #[test]
    fn what_happens_renews_a_session_that_renews_itself_until_it_lasts_as_long_as_it_may() {
        let mut session = session(30, true, 70);
        for (now, renewed, end, renewals) in [(20, true, 50, 1), (45, true, 70, 2), (60, false, 70, 2)] {
            assert_eq!(session.touch(at(now)), renewed, "at {now}");
            assert_eq!((session.last_activity, session.expires_at, session.renewals), (at(now), at(end), renewals));
        }
    }

    #[test]
    fn a_session_that_does_not_renew_itself_is_renewed_by_hand() {
        let mut session = session(30, false, 70);
        assert!(!session.touch(at(10)));
        assert_eq!((session.last_activity, session.expires_at), (at(10), at(30)));
        assert!(session.renew(at(20)));
        assert_eq!((session.expires_at, session.renewals), (at(50), 1));
    }

    #[test]
    fn other_times_count_from_the_last_activity_or_from_the_beginning() {
        for (auto_renew, end) in [(true, 70), (false, 60)] {
            let mut session = session(30, true, 720);
            session.touch(at(10));
            session.limit(TimeoutChange { timeout_minutes: Some(60), auto_renew: Some(auto_renew), ..TimeoutChange::default() });
            assert_eq!((session.expires_at, session.renewals, session.timeout.max_duration_minutes), (at(end), 1, 720));
        }
    }
}

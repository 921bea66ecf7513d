//! What a tenant may see and what is its own.
//!
//! A tenant's own are the agents, message servers and channels that it made, with everything that belongs to them: messages,
//! sessions, jobs, memories, rooms, runs, logs. Beside these it sees what is on the message servers that it shares.

use async_trait::async_trait;

use crate::{AgentId, ChannelId, JobId, MessageServerId, Reach, SessionId, StoreResult, Thing};

/// A thing that a caller names, and what is to be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// To see an agent and to talk with it.
    Agent(AgentId),
    /// To see what it remembers and to change it.
    OwnAgent(AgentId),
    /// To see a message server. Everybody sees the default one, which says nothing.
    Server(MessageServerId),
    /// To change it, and to say which agents listen there.
    OwnServer(MessageServerId),
    /// To read a channel and to post in it.
    Channel(ChannelId),
    /// To change, to clear or to delete it.
    OwnChannel(ChannelId),
    /// To use a session.
    Session(SessionId),
    /// To see a job.
    Job(JobId),
}

impl Wanted {
    /// What is not found where it is out of reach: nobody learns that it is there.
    pub const fn thing(self) -> Thing {
        match self {
            Self::Agent(_) | Self::OwnAgent(_) => Thing::Agent,
            Self::Server(_) | Self::OwnServer(_) => Thing::Server,
            Self::Channel(_) | Self::OwnChannel(_) => Thing::Channel,
            Self::Session(_) => Thing::Session,
            Self::Job(_) => Thing::Job,
        }
    }
}

/// Where it is known whose things are. What nobody owns is the owner's, and no tenant's.
#[async_trait]
pub trait AccessRepository: Send + Sync {
    /// Whether it is there and within reach.
    async fn within(&self, reach: &Reach, wanted: Wanted) -> StoreResult<bool>;

    /// Where a tenant talks with an agent when it names no place: on the default message server with one of its own, else on
    /// a message server that it shares and that the agent listens on. `None` for an agent that it does not see.
    async fn meeting_place(&self, reach: &Reach, agent: AgentId) -> StoreResult<Option<MessageServerId>>;
}

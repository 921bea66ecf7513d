//! Actions: what an agent can do besides talking. The model calls them as tools; an embedding service adds its own.

use async_trait::async_trait;
use derive_more::{Display, Error};
use serde_json::Value;

use crate::memory::{RoomContext, RoomState};
use crate::messaging::{Channel, Message};
use crate::models::ToolSpec;
use crate::{AgentId, RunId};

/// What an action knows of its occasion.
#[derive(Debug, Clone, Copy)]
pub struct ActionContext<'a> {
    /// The run; the key for effects outside, which may happen again after a crash.
    pub run_id: RunId,
    /// The agent.
    pub agent_id: AgentId,
    /// The agent's name.
    pub agent_name: &'a str,
    /// The message that is being answered.
    pub message: &'a Message,
    /// Its channel.
    pub channel: &'a Channel,
    /// What the agent knows of the room.
    pub room: &'a RoomContext,
}

/// Something that happens when the delivery ends, in the same transaction, and so exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// From now on the agent stands to the room like this.
    RoomState(RoomState),
}

/// What an action came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ActionOutcome {
    /// What the model should know of it before it goes on; `None` where nothing more is to be said.
    pub tells_model: Option<String>,
    /// Text for the reply.
    pub says: Option<String>,
    /// What happens when the delivery ends.
    pub effects: Vec<Effect>,
}

/// Why an action failed. The model is told and may go on.
#[derive(Debug, Clone, PartialEq, Eq, Display, Error)]
#[display("{message}")]
pub struct ActionError {
    /// For the model and the log.
    pub message: String,
}

/// Something an agent can do. Effects outside the server happen at least once: use `run_id` as their key.
#[async_trait]
pub trait Action: Send + Sync {
    /// How the model sees it. Names are upper case with underscores, such as `MUTE_ROOM`.
    fn spec(&self) -> ToolSpec;

    /// Whether it makes sense here; the model is offered only those that do.
    fn fits(&self, _context: ActionContext<'_>) -> bool {
        true
    }

    /// Does it.
    async fn run(&self, context: ActionContext<'_>, arguments: Value) -> Result<ActionOutcome, ActionError>;
}

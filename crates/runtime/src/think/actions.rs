//! The actions that agents have: the built-in ones, and those that an embedding service adds.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::actions::{Action, ActionContext, ActionError, ActionOutcome, Effect};
use core_types::memory::RoomState;
use core_types::models::ToolSpec;
use serde_json::{Value, json};

/// The actions that every agent of this server can be offered.
#[derive(Clone)]
pub struct ActionRegistry {
    actions: Vec<Arc<dyn Action>>,
}

impl Default for ActionRegistry {
    /// The built-in actions: `REPLY`, `IGNORE`, `NONE`, `FOLLOW_ROOM`, `UNFOLLOW_ROOM`, `MUTE_ROOM` and `UNMUTE_ROOM`.
    fn default() -> Self {
        let silent = |name, description| SetState { name, description, effect: None, fits: |_| true };
        let state = |name, description, state, fits| SetState { name, description, effect: Some(Effect::RoomState(state)), fits };
        Self {
            actions: vec![
                Arc::new(Reply),
                Arc::new(silent("IGNORE", "Do not answer: the message is not meant for you, is abusive, or the conversation is over.")),
                Arc::new(silent("NONE", "Do nothing besides answering.")),
                Arc::new(state(
                    "FOLLOW_ROOM",
                    "Take part in this conversation from now on without being named, because you were asked to.",
                    RoomState::Followed,
                    |state| state != RoomState::Followed,
                )),
                Arc::new(state(
                    "UNFOLLOW_ROOM",
                    "Take part in this conversation from now on only when named, because you were asked to.",
                    RoomState::None,
                    |state| state == RoomState::Followed,
                )),
                Arc::new(state(
                    "MUTE_ROOM",
                    "Be silent in this conversation from now on unless named, because you were asked to.",
                    RoomState::Muted,
                    |state| state != RoomState::Muted,
                )),
                Arc::new(state("UNMUTE_ROOM", "Speak in this conversation again, because you were asked to.", RoomState::None, |state| {
                    state == RoomState::Muted
                })),
            ],
        }
    }
}

impl ActionRegistry {
    /// Adds an action; it takes the place of one of the same name.
    pub fn with(mut self, action: Arc<dyn Action>) -> Self {
        let name = plain(&action.spec().name);
        self.actions.retain(|known| plain(&known.spec().name) != name);
        self.actions.push(action);
        self
    }

    /// The action of a name; case and underscores do not count, as in elizaOS.
    pub(crate) fn find(&self, name: &str) -> Option<&dyn Action> {
        let name = plain(name);
        self.actions.iter().map(AsRef::as_ref).find(|action| plain(&action.spec().name) == name)
    }

    /// What the model is offered here.
    pub(crate) fn offered(&self, context: ActionContext<'_>) -> Vec<ToolSpec> {
        self.actions.iter().filter(|action| action.fits(context)).map(|action| action.spec()).collect()
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(|letter| *letter != '_').flat_map(char::to_lowercase).collect()
}

/// Says something; for models that prefer a tool to plain text.
struct Reply;

#[async_trait]
impl Action for Reply {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "REPLY".to_owned(),
            description: "Answer the message. Plain text does the same.".to_owned(),
            parameters: json!({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}),
        }
    }

    async fn run(&self, _context: ActionContext<'_>, arguments: Value) -> Result<ActionOutcome, ActionError> {
        let says = arguments.get("text").and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        match says {
            Some(text) => Ok(ActionOutcome { says: Some(text.to_owned()), ..ActionOutcome::default() }),
            None => Err(ActionError { message: "REPLY needs a `text`".to_owned() }),
        }
    }
}

/// Does nothing but have its effect when the delivery ends.
struct SetState {
    name: &'static str,
    description: &'static str,
    effect: Option<Effect>,
    fits: fn(RoomState) -> bool,
}

#[async_trait]
impl Action for SetState {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            parameters: json!({"type": "object", "properties": {}}),
        }
    }

    fn fits(&self, context: ActionContext<'_>) -> bool {
        (self.fits)(context.room.state)
    }

    async fn run(&self, _context: ActionContext<'_>, _arguments: Value) -> Result<ActionOutcome, ActionError> {
        Ok(ActionOutcome { effects: self.effect.into_iter().collect(), ..ActionOutcome::default() })
    }
}

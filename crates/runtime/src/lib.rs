//! The mind of an agent: its inbox worker claims deliveries, and each run perceives, decides, composes, acts and replies.
//!
//! [`Runtime::start`] takes the agents (ports and models) and the actions and works until [`Runtime::stop`]. What a run does to
//! the world is written in one transaction at its end (`DeliveryRepository::finish`), so that a reply happens exactly
//! once, whatever is killed and whenever.

mod active;
mod agent;
mod ask;
mod inbox;
mod models;
mod ports;
mod record;
mod reflect;
mod run;
mod speech;
mod think;

pub use agent::ReadyAgents;
pub use inbox::Runtime;
pub use models::ModelRegistry;
pub use ports::{Limits, Ports};
pub use speech::SpeechRegistry;
pub use think::actions::ActionRegistry;
pub use think::template::CharacterTemplates;

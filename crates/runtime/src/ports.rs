//! What the runtime is handed.

use std::sync::Arc;
use std::time::Duration;

use core_types::agents::AgentRepository;
use core_types::bus::EventBus;
use core_types::deliveries::DeliveryRepository;
use core_types::media::AttachmentReader;
use core_types::memory::{MemoryRepository, ReflectionRepository, VectorIndex};
use core_types::runs::RunRepository;
use core_types::secrets::{SecretRepository, Vault};
use core_types::{Clock, Ids};

/// The ports that the runtime works through.
#[derive(Clone)]
pub struct Ports {
    /// Where agents are kept.
    pub agents: Arc<dyn AgentRepository>,
    /// Where their sealed secrets are read.
    pub secrets: Arc<dyn SecretRepository>,
    /// Opens secrets.
    pub vault: Arc<dyn Vault>,
    /// The queue, and the end of every run.
    pub deliveries: Arc<dyn DeliveryRepository>,
    /// What agents remember.
    pub memories: Arc<dyn MemoryRepository>,
    /// How far agents have looked back at that.
    pub reflections: Arc<dyn ReflectionRepository>,
    /// Ranks memories by meaning, where there is such a thing.
    pub vectors: Option<Arc<dyn VectorIndex>>,
    /// Reads what messages have attached.
    pub attachments: Arc<dyn AttachmentReader>,
    /// Where model calls outside of runs are logged.
    pub runs: Arc<dyn RunRepository>,
    /// Wakes the inbox and carries replies to their readers.
    pub bus: Arc<dyn EventBus>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where new ids and the jitter of retries come from.
    pub ids: Arc<dyn Ids>,
}

/// What bounds the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A run that takes longer is ended and tried again.
    pub run_timeout: Duration,
    /// Runs at once, in total.
    pub runs: usize,
    /// Runs at once per agent.
    pub runs_per_agent: usize,
    /// The most tokens of an answer.
    pub output_tokens: u32,
    /// The most tokens of a request and its answer together, where the model would take more.
    pub context_tokens: u32,
    /// An agent looks back at a room when so many memories of the conversation are new; never where this is 0.
    pub reflect_every: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            run_timeout: Duration::from_mins(2),
            runs: 64,
            runs_per_agent: 32,
            output_tokens: 2_048,
            context_tokens: 32_768,
            reflect_every: 8,
        }
    }
}

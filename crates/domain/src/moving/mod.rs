//! Moving in and out: characters, an agent's own file, the database of an elizaOS server.
//!
//! Whatever comes keeps its id, and what is there already stays as it is; so the same again, or the rest of what was cut short,
//! is simply moved in anew. Nothing runs and nobody is told: the server is not up.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use core_types::agents::{Added, Agent, AgentRepository};
use core_types::character::{self, Character, ParsedCharacter, TemplateEngine};
use core_types::messaging::{ChannelRepository, ServerRepository};
use core_types::moving::{ArrivalRepository, Belonging, BelongingsRepository, Brought};
use core_types::secrets::{ElizaOsSecret, SealedSecret, SecretChange, SecretRepository, Vault, VaultError};
use core_types::{AgentId, Clock, JsonObject, StoreError, Timestamp};
use derive_more::{Display, Error, From};
use serde_json::Value;

use crate::agents::bounds as of_agents;

mod bounds;
mod elizaos;
mod file;
mod leave;
mod lines;
mod report;
mod rows;

pub use file::is_export;
pub use leave::{Left, leave};
pub use report::{Kind, Report, Tally};

/// So many things are stored in one transaction.
const BATCH: usize = 200;

/// Where everything is kept that moves.
#[derive(Clone)]
pub struct MovingPorts {
    /// Agents.
    pub agents: Arc<dyn AgentRepository>,
    /// Their secrets.
    pub secrets: Arc<dyn SecretRepository>,
    /// Message servers.
    pub servers: Arc<dyn ServerRepository>,
    /// Channels.
    pub channels: Arc<dyn ChannelRepository>,
    /// What comes.
    pub arrivals: Arc<dyn ArrivalRepository>,
    /// What is an agent's own.
    pub belongings: Arc<dyn BelongingsRepository>,
}

/// Why moving did not come to its end. What was stored before stays.
#[derive(Debug, Display, Error, From)]
pub enum MovingError {
    /// A database failed.
    #[display("what moves cannot be read or stored")]
    Store(#[error(source)] StoreError),
    /// The file cannot be read or written.
    #[display("the file cannot be read or written")]
    Io(#[error(source)] io::Error),
    /// A secret cannot be kept.
    #[display("a secret cannot be kept")]
    Vault(#[error(source)] VaultError),
    /// A line of the file means nothing.
    #[display("line {line} of the file is not understood: {reason}")]
    #[from(ignore)]
    Line {
        /// Which one, from 1 on.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The file ends too early.
    #[display("the file ends after line {line}, before its end: it was cut off")]
    #[from(ignore)]
    CutOff {
        /// The last line that is there.
        line: u64,
    },
    /// A newer program wrote the file.
    #[display("the file has version {version} of its format, and this program knows {known} and nothing later: import it with a newer one")]
    #[from(ignore)]
    Newer {
        /// The version of the file.
        version: u64,
        /// The latest that is known here.
        known: u64,
    },
    /// The agent is not there.
    #[display("there is no such agent")]
    #[from(ignore)]
    NoAgent,
}

/// Who is told how far it is: of which kind there were how many.
pub type Progress = Arc<dyn Fn(Kind, u64) + Send + Sync>;

/// Takes in what comes, and says what came of it.
pub struct MovingIn {
    into: Option<MovingPorts>,
    vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
    /// Says which templates of characters cannot be filled in.
    templates: Arc<dyn TemplateEngine>,
    progress: Progress,
    report: Report,
    /// The agents that came, whether they are new or not.
    agents: HashSet<AgentId>,
    batch: Vec<Belonging>,
}

impl MovingIn {
    /// Takes in whatever comes; into nothing, where it is only to be looked at.
    pub fn new(
        into: Option<MovingPorts>,
        vault: Arc<dyn Vault>,
        clock: Arc<dyn Clock>,
        templates: Arc<dyn TemplateEngine>,
        progress: Progress,
    ) -> Self {
        Self { into, vault, clock, templates, progress, report: Report::default(), agents: HashSet::new(), batch: Vec::new() }
    }

    /// What came of it so far.
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Takes in a character, or several in a list. One that is none is noted in the report, with the name of where it is from.
    pub async fn character(&mut self, value: &Value, from: &str) -> Result<(), MovingError> {
        let characters = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in characters {
            match character::parse(value) {
                Ok(parsed) => {
                    for warning in &parsed.warnings {
                        self.report.note(format!("{from}: {warning}"));
                    }
                    let now = self.clock.now();
                    let id = parsed.id.unwrap_or_else(|| AgentId::of_name(&parsed.character.name));
                    if let Err(why) = self.agent(id, parsed, true, (now, now)).await? {
                        self.refuse(from, &why);
                    }
                }
                Err(error) => self.report.refused(Kind::Agents, format!("{from}: {error}")),
            }
        }
        Ok(())
    }

    /// Says that something that should hold an agent cannot be read as one.
    pub fn refuse(&mut self, from: &str, why: &str) {
        self.report.refused(Kind::Agents, format!("{from}: {why}"));
    }

    /// Takes in an agent with its secrets. It does not run. One that is larger than agents may be is left where it is; says why.
    async fn agent(
        &mut self,
        id: AgentId,
        parsed: ParsedCharacter,
        enabled: bool,
        times: (Timestamp, Timestamp),
    ) -> Result<Result<(), String>, MovingError> {
        let name = parsed.character.name.clone();
        let mut secrets = Vec::new();
        let mut locked = Vec::new();
        for (secret_name, given) in parsed.secrets {
            match self.vault.read_elizaos(&given) {
                ElizaOsSecret::Opened(secret) => secrets.push((secret_name, secret)),
                ElizaOsSecret::Plain => secrets.push((secret_name, given)),
                ElizaOsSecret::Locked => locked.push(secret_name),
            }
        }
        let sealed = secrets.iter().map(|(name, secret)| self.vault.seal(id, name, secret)).collect::<Result<Vec<_>, _>>()?;
        let bounded = of_agents::check_character(&parsed.character, None)
            .and_then(|()| of_agents::check_secrets(&sealed, &[]))
            .and_then(|()| self.check_texts(&parsed.character));
        if let Err(why) = bounded {
            return Ok(Err(format!("{name}: {why}")));
        }
        self.report.found(Kind::Agents);
        self.agents.insert(id);
        for secret_name in locked {
            let note = "is encrypted under a SECRET_SALT that is not known here (give it as SECRET_SALT_PREVIOUS); left out";
            self.report.refused(Kind::Secrets, format!("{name}: the secret `{secret_name}` {note}"));
        }
        for _ in &sealed {
            self.report.found(Kind::Secrets);
        }
        let Some(into) = &self.into else { return Ok(Ok(())) };
        let agent =
            Agent { id, character: parsed.character, enabled, running: false, owner: None, created_at: times.0, updated_at: times.1 };
        let (outcome, secrets) = match into.agents.add(agent, sealed.clone()).await? {
            Added::New(_) => (Brought::New, vec![Brought::New; sealed.len()]),
            Added::Existing(stored) => (Brought::Existing, missing_secrets(into, stored, sealed).await?),
        };
        self.report.became(Kind::Agents, outcome);
        for outcome in secrets {
            self.report.became(Kind::Secrets, outcome);
        }
        Ok(Ok(()))
    }

    /// Refuses a character that the API makes no agent of, since its bio is too long or a template of it cannot be filled in.
    fn check_texts(&self, character: &Character) -> Result<(), String> {
        let bio = serde_json::to_value(&character.bio).unwrap_or_default();
        let templates = Value::Object(character.templates.clone());
        let checked =
            character::check_bio(&bio).and_then(|()| character::check_templates(&templates, &JsonObject::new(), self.templates.as_ref()));
        checked.map_err(|error| error.to_string())
    }

    /// Takes in something of an agent's, by and by.
    async fn belonging(&mut self, thing: Belonging) -> Result<(), MovingError> {
        self.report.found(kind_of(&thing));
        self.batch.push(thing);
        if self.batch.len() < BATCH { Ok(()) } else { self.flush().await }
    }

    /// Stores what has come and is not stored yet.
    async fn flush(&mut self) -> Result<(), MovingError> {
        let batch = std::mem::take(&mut self.batch);
        let Some(last) = batch.last().map(kind_of) else { return Ok(()) };
        if let Some(into) = &self.into {
            let kinds: Vec<Kind> = batch.iter().map(kind_of).collect();
            let outcomes = into.arrivals.bring(batch).await?;
            for (kind, outcome) in kinds.into_iter().zip(outcomes) {
                self.report.became(kind, outcome);
            }
        }
        self.tell(last);
        Ok(())
    }

    fn tell(&self, kind: Kind) {
        (self.progress)(kind, self.report.of(kind).found);
    }

    /// What is remembered here has been looked back at elsewhere.
    async fn looked_back(&self, agents: impl IntoIterator<Item = AgentId> + Send) -> Result<(), MovingError> {
        let Some(into) = &self.into else { return Ok(()) };
        let agents: Vec<AgentId> = agents.into_iter().collect();
        for agent in agents {
            into.arrivals.looked_back(agent).await?;
        }
        Ok(())
    }
}

/// Gives an agent that was there those of these secrets that it has not, as when the first try had no salt to read them with.
async fn missing_secrets(into: &MovingPorts, agent: Agent, sealed: Vec<SealedSecret>) -> Result<Vec<Brought>, MovingError> {
    let known: HashSet<String> = into.secrets.list(agent.id).await?.into_iter().map(|secret| secret.name).collect();
    let outcomes = sealed.iter().map(|secret| if known.contains(&secret.name) { Brought::Existing } else { Brought::New }).collect();
    let missing: Vec<_> = sealed.into_iter().filter(|secret| !known.contains(&secret.name)).map(SecretChange::Put).collect();
    if !missing.is_empty() {
        let read_at = agent.updated_at;
        // Nobody else changes it: the server does not run.
        into.agents.replace(agent, read_at, missing).await?;
    }
    Ok(outcomes)
}

const fn kind_of(thing: &Belonging) -> Kind {
    match thing {
        Belonging::World(_) => Kind::Worlds,
        Belonging::Entity(_) => Kind::Entities,
        Belonging::Room(_) => Kind::Rooms,
        Belonging::Participant(_) => Kind::Participants,
        Belonging::Memory(_) => Kind::Memories,
    }
}

//! Answers that are signed under evidence from the hardware.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use core_types::access::Wanted;
use core_types::agents::{AgentService, AgentView};
use core_types::runs::{LogEntry, LogFilter, RunRepository};
use core_types::secrets::MASK;
use core_types::tee::format::{self, Statement};
use core_types::tee::{AttestError, Attestor, Challenge, Evidence, LogQuery, SignedAnswer, Signer, TeeService};
use core_types::{AgentId, Caller, Clock, JsonObject, Permission, ServiceError, ServiceResult};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::permission::{Access, require};
use crate::places::LongReads;
use crate::runs::{FoundLogs, filtered_logs, goes_through_lines};

/// How many callers may have fresh evidence made for them at once, and when others may ask again.
const FRESH: usize = 4;
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Signs what it says of the server, its agents and what they did.
pub struct Tee {
    /// Who the agents are.
    pub agents: Arc<dyn AgentService>,
    /// What callers can reach.
    pub access: Access,
    /// What they did.
    pub runs: Arc<dyn RunRepository>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What attests this server; nothing where it was not told to.
    pub enclave: Option<Enclave>,
    /// The places that filtered logs take.
    pub reads: LongReads,
}

/// The key that signs, and what says whose it is.
pub struct Enclave {
    attestor: Arc<dyn Attestor>,
    signer: Arc<dyn Signer>,
    /// About the key alone. Getting evidence takes a while, and answers need no more than this.
    standing: Evidence,
    turns: Semaphore,
}

impl Enclave {
    /// Gets evidence about the key.
    pub async fn enter(attestor: Arc<dyn Attestor>, signer: Arc<dyn Signer>) -> Result<Self, AttestError> {
        let standing = attestor.attest(format::report_data(&signer.public_key(), None)).await?;
        Ok(Self { attestor, signer, standing, turns: Semaphore::new(FRESH) })
    }

    /// What attests, for a person.
    pub fn describe(&self) -> String {
        self.attestor.describe()
    }

    async fn fresh(&self, challenge: Option<&Challenge>) -> ServiceResult<Evidence> {
        let _turn = self.turns.try_acquire().map_err(|_| ServiceError::Overloaded {
            message: "Too many callers ask for evidence at once; try again later".to_owned(),
            retry_after: RETRY_AFTER,
        })?;
        Ok(self.attestor.attest(format::report_data(&self.signer.public_key(), challenge)).await?)
    }
}

#[async_trait]
impl TeeService for Tee {
    async fn status(&self, caller: &Caller, nonce: Option<Challenge>) -> ServiceResult<SignedAnswer> {
        require(caller, Permission::SystemRead)?;
        let enclave = self.enclave()?;
        self.sign(Statement::Status, nonce.as_ref(), JsonObject::new(), &enclave.standing)
    }

    async fn attest(&self, caller: &Caller, report_data: Option<Challenge>) -> ServiceResult<SignedAnswer> {
        require(caller, Permission::SystemRead)?;
        let evidence = self.enclave()?.fresh(report_data.as_ref()).await?;
        let says = report_data.map(|bytes| ("reportData".to_owned(), Value::from(bytes.hex())));
        self.sign(Statement::Attestation, None, says.into_iter().collect(), &evidence)
    }

    async fn agents(&self, caller: &Caller, nonce: Option<Challenge>) -> ServiceResult<SignedAnswer> {
        require(caller, Permission::AgentsRead)?;
        let enclave = self.enclave()?;
        let agents = self.agents.list(caller).await?;
        let agents: Vec<_> =
            agents.iter().map(|agent| json!({"id": agent.id, "name": agent.name, "status": status(agent.running)})).collect();
        self.sign(Statement::Agents, nonce.as_ref(), object([("agents", Value::from(agents))]), &enclave.standing)
    }

    async fn agent(&self, caller: &Caller, id: AgentId, nonce: Option<Challenge>) -> ServiceResult<SignedAnswer> {
        require(caller, Permission::AgentsRead)?;
        let enclave = self.enclave()?;
        let view = self.agents.get(caller, id).await?;
        let character = character(&view).map_err(defect)?;
        let hash = format::configuration_hash(&character).map_err(defect)?;
        let agent = &view.agent;
        let says = object([
            (
                "agent",
                json!({
                    "id": agent.id,
                    "name": agent.character.name,
                    "status": status(agent.running),
                    "createdAt": agent.created_at,
                    "updatedAt": agent.updated_at,
                    "character": character,
                }),
            ),
            ("configurationHash", Value::from(hash)),
        ]);
        self.sign(Statement::Agent, nonce.as_ref(), says, &enclave.standing)
    }

    async fn logs(&self, caller: &Caller, query: LogQuery, nonce: Option<Challenge>) -> ServiceResult<SignedAnswer> {
        require(caller, Permission::AgentsRead)?;
        let enclave = self.enclave()?;
        match query.agent {
            Some(agent) => self.access.to(caller, Wanted::OwnAgent(agent)).await?,
            None if caller.reach().is_some() => {
                return Err(ServiceError::forbidden("The key shows the logs of its own agents only: name one with agentId"));
            }
            None => {}
        }
        let filter = LogFilter {
            room: query.room,
            entity: query.entity,
            kind: query.kind,
            since: query.since,
            until: query.until,
            contains: query.contains,
            offset: query.page.saturating_sub(1).saturating_mul(query.page_size),
            // One more shows whether there is another page.
            limit: query.page_size.saturating_add(1),
            ..LogFilter::default()
        };
        let _place = self.reads.place_if(goes_through_lines(&filter), caller).await?;
        let FoundLogs { mut lines, searched_to } = filtered_logs(self.runs.as_ref(), query.agent, filter).await?;
        let size = query.page_size as usize;
        let has_more = lines.len() > size;
        lines.truncate(size);
        let mut logs = object([
            ("page", Value::from(query.page)),
            ("pageSize", Value::from(query.page_size)),
            ("hasMore", Value::from(has_more)),
            ("data", lines.iter().map(line).collect()),
        ]);
        if let Some(time) = searched_to {
            logs.insert("searchedTo".to_owned(), Value::from(time.iso()));
        }
        self.sign(Statement::Logs, nonce.as_ref(), object([("logs", Value::Object(logs))]), &enclave.standing)
    }
}

impl Tee {
    fn enclave(&self) -> ServiceResult<&Enclave> {
        self.enclave.as_ref().ok_or(ServiceError::Attestation(AttestError::Off))
    }

    fn sign(&self, statement: Statement, nonce: Option<&Challenge>, says: JsonObject, evidence: &Evidence) -> ServiceResult<SignedAnswer> {
        let enclave = self.enclave()?;
        let by = (enclave.signer.as_ref(), enclave.attestor.provider());
        format::sign(statement, self.clock.now(), nonce, says, by, evidence).map_err(defect)
    }
}

/// An agent's character, with a mask for each of its secrets.
fn character(view: &AgentView) -> serde_json::Result<Value> {
    let mut character = serde_json::to_value(&view.agent.character)?;
    let masks: Map<String, Value> = view.secret_names.iter().map(|name| (name.clone(), Value::from(MASK))).collect();
    if let Some(object) = character.as_object_mut()
        && let Some(settings) = object.entry("settings").or_insert_with(|| json!({})).as_object_mut()
    {
        settings.insert("secrets".to_owned(), Value::Object(masks));
    }
    Ok(character)
}

fn line(entry: &LogEntry) -> Value {
    json!({
        "id": entry.id,
        "agentId": entry.agent_id,
        "roomId": entry.room_id,
        "entityId": entry.entity_id,
        "type": entry.kind,
        "content": entry.body,
        "timestamp": entry.created_at,
    })
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> JsonObject {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

const fn status(running: bool) -> &'static str {
    if running { "active" } else { "inactive" }
}

fn defect(error: serde_json::Error) -> ServiceError {
    ServiceError::Internal(Box::new(error))
}

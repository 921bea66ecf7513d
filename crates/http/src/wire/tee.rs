//! Signed answers on the wire. They are sent as they were signed (`core_types::tee::format`); the types here are their schemas.

use core_types::JsonObject;
use core_types::tee::{Challenge, LogQuery};
use utoipa::ToSchema;

use crate::errors::{ApiError, ApiResult};
use crate::extract::{Fields, Query};
use crate::limits::{ATTESTED_LOGS, CONTAINED_CHARS, MAX_PAGE, NAME_CHARS, NONCE_CHARS};
use crate::wire::character;
use crate::wire::posts::Moment;

/// What proves an answer. Bytes are in hexadecimal digits.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what is signed")]
struct Attestation {
    #[schema(example = "doolittle-tee-1")]
    format: String,
    /// How the evidence was got: `dstack`, `configfs-tsm` or `simulator`.
    #[schema(example = "dstack")]
    provider: String,
    kind: EvidenceKind,
    /// Whether the evidence is made up, and proves nothing.
    #[schema(example = false)]
    simulated: bool,
    /// The server's Ed25519 key.
    #[schema(example = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")]
    public_key: String,
    evidence: Evidence,
    /// Of the canonical form (RFC 8785) of the answer's `data` without this.
    #[schema(example = "92a009a9f0d4cab8")]
    signature: String,
}

/// Who signed the evidence.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[expect(dead_code, reason = "the schema of what is signed")]
enum EvidenceKind {
    Tdx,
    SevSnp,
    Simulated,
}

/// What says that the key belongs to the machine.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what is signed")]
struct Evidence {
    /// What the quote is about: a hash of the key and of what the caller sent.
    #[schema(example = "1ed8be36e4a678d6")]
    report_data: String,
    /// A TDX quote, or an SEV-SNP report.
    #[schema(example = "040002008100000000000000")]
    quote: String,
    /// The events of which the runtime registers were made, as dstack tells them.
    event_log: Option<String>,
    /// How the virtual machine was set up, as dstack tells it.
    vm_config: Option<String>,
    /// What the hardware adds, such as certificates.
    auxiliary: Option<String>,
}

/// What attests the server.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what is signed")]
pub(crate) struct AttestedStatus {
    #[schema(example = "status")]
    statement: String,
    #[schema(example = "2026-01-31T12:00:00.000Z")]
    issued_at: String,
    nonce: Option<String>,
    attestation: Attestation,
}

/// Fresh evidence.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what is signed")]
pub(crate) struct FreshAttestation {
    #[schema(example = "attestation")]
    statement: String,
    #[schema(example = "2026-01-31T12:00:00.000Z")]
    issued_at: String,
    /// What the caller sent.
    #[schema(example = "c0ffee")]
    report_data: Option<String>,
    attestation: Attestation,
}

/// The agents in short.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what is signed")]
pub(crate) struct AttestedAgents {
    #[schema(example = "agents")]
    statement: String,
    #[schema(example = "2026-01-31T12:00:00.000Z")]
    issued_at: String,
    nonce: Option<String>,
    agents: Vec<AgentInShort>,
    attestation: Attestation,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what is signed")]
struct AgentInShort {
    #[schema(value_type = Uuid)]
    id: (),
    #[schema(example = "Eliza")]
    name: String,
    /// `active` or `inactive`.
    #[schema(example = "active")]
    status: String,
}

/// One agent, and the hash of its character.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what is signed")]
pub(crate) struct AttestedAgent {
    #[schema(example = "agent")]
    statement: String,
    #[schema(example = "2026-01-31T12:00:00.000Z")]
    issued_at: String,
    nonce: Option<String>,
    agent: WholeAgent,
    /// SHA-256 of the canonical form (RFC 8785) of `agent.character`.
    #[schema(example = "b2c9ee672db13673e38e84d0da1a6e765c88b3d0f1dc65244d3f736045aa5c84")]
    configuration_hash: String,
    attestation: Attestation,
}

#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what is signed")]
struct WholeAgent {
    #[schema(value_type = Uuid)]
    id: (),
    #[schema(example = "Eliza")]
    name: String,
    /// `active` or `inactive`.
    #[schema(example = "active")]
    status: String,
    /// Epoch milliseconds.
    created_at: i64,
    /// Epoch milliseconds.
    updated_at: i64,
    /// The agent's configuration; secrets are masked.
    character: character::Character,
}

/// Lines of agents' logs.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what is signed")]
pub(crate) struct AttestedLogs {
    #[schema(example = "logs")]
    statement: String,
    #[schema(example = "2026-01-31T12:00:00.000Z")]
    issued_at: String,
    nonce: Option<String>,
    logs: LogPage,
    attestation: Attestation,
}

#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what is signed")]
struct LogPage {
    page: u32,
    page_size: u32,
    /// Whether there are older lines that fit.
    has_more: bool,
    /// There where too many lines were looked at: nothing older than this was.
    searched_to: Option<String>,
    data: Vec<AttestedLine>,
}

#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what is signed")]
struct AttestedLine {
    #[schema(value_type = Uuid)]
    id: (),
    #[schema(value_type = Uuid)]
    agent_id: (),
    #[schema(value_type = Uuid)]
    room_id: (),
    #[schema(value_type = Uuid)]
    entity_id: (),
    #[serde(rename = "type")]
    #[schema(example = "action")]
    kind: String,
    #[schema(value_type = Object)]
    content: (),
    /// Epoch milliseconds.
    timestamp: i64,
}

/// What the evidence shall be about, besides the server's key.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what `report_data` reads")]
pub(crate) struct AttestationBody {
    /// Up to 64 bytes in hexadecimal digits.
    #[schema(pattern = "^([0-9a-fA-F]{2}){0,64}$", max_length = 128, example = "c0ffee")]
    report_data: Option<String>,
}

/// Which lines are wanted.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what `log_query` reads")]
pub(crate) struct LogsBody {
    query: Option<LogConditions>,
    /// Which page, from 1.
    #[schema(example = 1)]
    page: Option<u32>,
    /// How many lines a page has; 10 where absent.
    #[schema(maximum = 1000, example = 10)]
    page_size: Option<u32>,
    /// Up to 64 bytes in hexadecimal digits, which the signed answer repeats.
    #[schema(pattern = "^([0-9a-fA-F]{2}){0,64}$", max_length = 128)]
    nonce: Option<String>,
}

/// Conditions; all of them must hold.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what `log_query` reads")]
struct LogConditions {
    #[schema(value_type = Option<Uuid>)]
    agent_id: Option<()>,
    #[schema(value_type = Option<Uuid>)]
    room_id: Option<()>,
    #[schema(value_type = Option<Uuid>)]
    entity_id: Option<()>,
    #[serde(rename = "type")]
    #[schema(max_length = 256)]
    kind: Option<String>,
    /// A text that is in a text of the line, in any case.
    #[schema(max_length = 1024)]
    contains_content: Option<String>,
    /// Only lines from then on.
    #[schema(value_type = Option<Moment>)]
    start_timestamp: Option<()>,
    /// Only lines up to then.
    #[schema(value_type = Option<Moment>)]
    end_timestamp: Option<()>,
}

/// What the answer shall repeat.
pub(crate) fn nonce(query: &Query) -> ApiResult<Option<Challenge>> {
    query.first("nonce").map(|text| challenge("nonce", text)).transpose()
}

/// What fresh evidence shall be about.
pub(crate) fn report_data(body: JsonObject) -> ApiResult<Option<Challenge>> {
    let text = Fields::new(body).text(&["reportData", "report_data"], NONCE_CHARS)?;
    text.map(|text| challenge("reportData", &text)).transpose()
}

fn challenge(name: &str, text: &str) -> ApiResult<Challenge> {
    text.parse::<Challenge>().map_err(|error| ApiError::bad_request(format!("{name} {error}")))
}

/// Which lines are wanted, and what the answer shall repeat. Page 0 is the first, and a page without lines has the usual size, as elizaOS
/// reads them.
pub(crate) fn log_query(body: JsonObject) -> ApiResult<(LogQuery, Option<Challenge>)> {
    let mut fields = Fields::new(body);
    let nonce = fields.text(&["nonce"], NONCE_CHARS)?.map(|text| challenge("nonce", &text)).transpose()?;
    let size = fields.count(&["pageSize", "page_size"])?.filter(|size| *size > 0).unwrap_or(ATTESTED_LOGS).min(MAX_PAGE);
    let page = fields.count(&["page"])?.unwrap_or(1).max(1);
    let mut conditions = Fields::new(fields.object(&["query"])?.unwrap_or_default());
    let query = LogQuery {
        agent: conditions.id(&["agentId"])?,
        room: conditions.id(&["roomId"])?,
        entity: conditions.id(&["entityId", "userId"])?,
        kind: conditions.text(&["type"], NAME_CHARS)?,
        contains: conditions.text(&["containsContent"], CONTAINED_CHARS)?,
        since: conditions.moment(&["startTimestamp"])?,
        until: conditions.moment(&["endTimestamp"])?,
        page,
        page_size: size,
    };
    Ok((query, nonce))
}

//! Trusted execution environments: evidence that this server runs in one, and answers that are signed under it.
//!
//! An [`Attestor`] gets evidence from the hardware about 64 bytes of report data. The server's are a hash of its public key
//! ([`format::report_data`]), so the evidence says which key belongs to the machine, and the key signs what the server says of its
//! agents. [`format`](mod@format) is all that a reader must know to check an answer; `docs/tee.md` says the same in words.

use std::str::FromStr;

use async_trait::async_trait;
use derive_more::{Display, Error};
use serde::{Deserialize, Serialize};

use crate::error::Source;
use crate::{AgentId, Caller, EntityId, JsonObject, RoomId, ServiceResult, Timestamp};

pub mod format;

/// What evidence is about: the bytes that the hardware repeats in what it signs.
pub type ReportData = [u8; 64];

/// An Ed25519 public key.
pub type PublicKey = [u8; 32];

/// The most bytes of a quote, and of each thing that comes with one.
pub const MAX_EVIDENCE_BYTES: usize = 1024 * 1024;

/// Who signed the evidence, and so how it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceKind {
    /// Intel TDX: a quote of version 4 or 5.
    #[display("tdx")]
    Tdx,
    /// AMD SEV-SNP: an attestation report.
    #[display("sev-snp")]
    SevSnp,
    /// Nobody. It is there to develop against, and proves nothing.
    #[display("simulated")]
    Simulated,
}

/// What an attestor says of the machine that it runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What kind of evidence it is.
    pub kind: EvidenceKind,
    /// What it is about.
    pub report_data: ReportData,
    /// What the hardware signed, with the signature; the report data are in it.
    pub quote: Vec<u8>,
    /// The events that the runtime registers of the quote were made of, as the guest agent writes them.
    pub event_log: Option<String>,
    /// How the virtual machine was set up, as the guest agent writes it.
    pub vm_config: Option<String>,
    /// What the hardware adds to the quote, such as certificates.
    pub auxiliary: Option<Vec<u8>>,
}

/// Why there is no evidence. No message says anything of the inside; sources are for the log.
#[derive(Debug, Display, Error)]
pub enum AttestError {
    /// The server was not told to attest.
    #[display("This server does not attest: TEE_MODE is off")]
    Off,
    /// The attestor cannot be reached or did not answer in time; the same call may succeed later.
    #[display("The attestor does not answer; try again later")]
    Unavailable(#[error(source)] Source),
    /// The attestor refused, or its answer is no evidence about what was asked.
    #[display("The attestor gave no evidence")]
    Defect(#[error(source)] Source),
}

/// Gets evidence from what the server runs on.
#[async_trait]
pub trait Attestor: Send + Sync {
    /// How evidence is got, in a word, such as `dstack`; the same in every answer.
    fn provider(&self) -> &'static str;

    /// How and where evidence is got, for a person.
    fn describe(&self) -> String;

    /// Whether the evidence is made up. Such an attestor gives [`EvidenceKind::Simulated`] and no other; no other gives it.
    fn is_simulated(&self) -> bool;

    /// Gets evidence about these report data. What is returned is about them: an attestor that is told otherwise fails. The future may be
    /// dropped at any moment.
    async fn attest(&self, report_data: ReportData) -> Result<Evidence, AttestError>;
}

/// Holds the server's key. Does no I/O.
pub trait Signer: Send + Sync {
    /// The public half.
    fn public_key(&self) -> PublicKey;

    /// The Ed25519 signature (RFC 8032) of a message: 64 bytes.
    fn sign(&self, message: &[u8]) -> Vec<u8>;
}

/// Bytes that a caller sends, 1 to 64, to find them in an answer and know that it is not an old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge(Vec<u8>);

/// Not 2 to 128 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Error)]
#[display("must be 1 to 64 bytes as hexadecimal digits")]
pub struct InvalidChallenge;

impl Challenge {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as the format writes them: in lower case.
    pub fn hex(&self) -> String {
        hex::encode(&self.0)
    }
}

impl FromStr for Challenge {
    type Err = InvalidChallenge;

    fn from_str(text: &str) -> Result<Self, InvalidChallenge> {
        if text.is_empty() || text.len() > 2 * size_of::<ReportData>() {
            return Err(InvalidChallenge);
        }
        hex::decode(text).map(Self).map_err(|_| InvalidChallenge)
    }
}

/// Which log lines are told; pages count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// Of this agent only.
    pub agent: Option<AgentId>,
    /// Of this room only.
    pub room: Option<RoomId>,
    /// Of this entity only.
    pub entity: Option<EntityId>,
    /// Of this kind only.
    pub kind: Option<String>,
    /// Only lines in whose body a text has this in it, in any case.
    pub contains: Option<String>,
    /// Not older than this.
    pub since: Option<Timestamp>,
    /// Not newer than this.
    pub until: Option<Timestamp>,
    /// Which page, from 1.
    pub page: u32,
    /// How many lines a page has at most.
    pub page_size: u32,
}

/// An answer with its attestation, as it is sent: any change of what it says breaks its signature.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedAnswer(JsonObject);

impl SignedAnswer {
    pub(crate) const fn new(answer: JsonObject) -> Self {
        Self(answer)
    }

    /// What is sent.
    pub const fn as_object(&self) -> &JsonObject {
        &self.0
    }
}

/// What a transport can ask a server that attests. Every method is
/// [`ServiceError::Attestation`](crate::ServiceError::Attestation) where it does not.
#[async_trait]
pub trait TeeService: Send + Sync {
    /// What attests this server.
    async fn status(&self, caller: &Caller, nonce: Option<Challenge>) -> ServiceResult<SignedAnswer>;

    /// Fresh evidence, about the server's key and these bytes together.
    async fn attest(&self, caller: &Caller, report_data: Option<Challenge>) -> ServiceResult<SignedAnswer>;

    /// The agents, in short.
    async fn agents(&self, caller: &Caller, nonce: Option<Challenge>) -> ServiceResult<SignedAnswer>;

    /// One agent with its character and the hash of that.
    async fn agent(&self, caller: &Caller, id: AgentId, nonce: Option<Challenge>) -> ServiceResult<SignedAnswer>;

    /// What agents did, the newest line first.
    async fn logs(&self, caller: &Caller, query: LogQuery, nonce: Option<Challenge>) -> ServiceResult<SignedAnswer>;
}

#[cfg(test)]
mod tests {
    use super::Challenge;

    #[test]
    fn a_challenge_is_1_to_64_bytes() {
        for (text, good) in [
            ("00", true),
            ("DEADbeef", true),
            (&"ab".repeat(64), true),
            ("", false),
            ("0", false),
            ("0g", false),
            (&"ab".repeat(65), false),
        ] {
            assert_eq!(text.parse::<Challenge>().is_ok(), good, "{text}");
        }
        assert_eq!("DEADbeef".parse::<Challenge>().unwrap().hex(), "deadbeef");
    }
}

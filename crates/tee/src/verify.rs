//! Checks an answer that a server signed.
//!
//! [`Answer::read`] goes down the chain: the answer is what the signature was made over, the signature is of the key, the report data are the
//! hash of the key, and the quote is about the report data. [`Answer::judge`] then says whose word the quote is: for TDX, by
//! Intel's certificates and what the reader has of Intel about the machine. Nothing is fetched.

use core_types::tee::format::{self, Attestation, FORMAT, Statement};
use core_types::tee::{Challenge, EvidenceKind, PublicKey};
use core_types::{JsonObject, Timestamp};
use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::verify::QuoteVerifier;
use derive_more::{Display, Error};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::Value;

use crate::quote::{self, Contents};

mod strict;

/// The state of a machine against which Intel has nothing.
const UP_TO_DATE: &str = "UpToDate";

/// Why an answer is not what it says it is.
#[derive(Debug, Clone, PartialEq, Eq, Display, Error)]
#[display("{_0}")]
pub struct Rejected(#[error(not(source))] String);

fn rejected(reason: impl Into<String>) -> Rejected {
    Rejected(reason.into())
}

/// An answer whose chain holds down to its quote.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    says: JsonObject,
    attestation: Attestation,
    statement: Statement,
    quote: Vec<u8>,
    contents: Contents,
}

/// Whose word a quote is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Intel's: a TDX machine that is up to date, with the advisories that apply to it all the same.
    Genuine {
        /// The names of the advisories.
        advisories: Vec<String>,
    },
    /// Nobody's.
    Simulated,
}

impl Answer {
    /// Reads an answer, with its envelope or without, and goes down the chain as far as the report data of the quote.
    pub fn read(text: &str) -> Result<Self, Rejected> {
        let value = strict::parse(text).map_err(|error| rejected(format!("it is no JSON that could be signed: {error}")))?;
        let says = data(value)?;
        let part = |name: &str| says.get(name).cloned().ok_or_else(|| rejected(format!("it has no {name}")));
        let attestation: Attestation =
            serde_json::from_value(part("attestation")?).map_err(|error| rejected(format!("its attestation cannot be read: {error}")))?;
        let statement = serde_json::from_value(part("statement")?).map_err(|_| rejected("its statement is of no known kind"))?;
        if attestation.format != FORMAT {
            return Err(rejected(format!("its format is not {FORMAT}, which is all that this version knows")));
        }
        let key = check_signature(&says, &attestation)?;
        let (quote, contents) = check_evidence(&says, &attestation, statement, &key)?;
        if statement == Statement::Agent {
            check_configuration(&says)?;
        }
        Ok(Self { says, attestation, statement, quote, contents })
    }

    /// Says whose word the quote is, at this time. `collateral` is what Intel publishes about machines of its kind, as JSON (`docs/tee.md`).
    pub fn judge(&self, collateral: Option<&str>, at: Timestamp) -> Result<Verdict, Rejected> {
        match self.attestation.kind {
            EvidenceKind::Simulated => Ok(Verdict::Simulated),
            EvidenceKind::SevSnp => Err(rejected(
                "everything holds down to the SEV-SNP report, whose own signature this program cannot check; \
                 it needs AMD's certificates and tools",
            )),
            EvidenceKind::Tdx => {
                let collateral = collateral.ok_or_else(|| {
                    rejected("everything holds down to the TDX quote, which was not checked itself: that needs Intel's collateral")
                })?;
                judge_tdx(&self.quote, collateral, at)
            }
        }
    }

    /// What is said, the attestation included.
    pub const fn says(&self) -> &JsonObject {
        &self.says
    }

    /// What it is about.
    pub const fn statement(&self) -> Statement {
        self.statement
    }

    /// Its proof.
    pub const fn attestation(&self) -> &Attestation {
        &self.attestation
    }

    /// What the hardware measured, by name. It is worth what [`Self::judge`] says.
    pub fn measurements(&self) -> &[(&'static str, Vec<u8>)] {
        &self.contents.measurements
    }

    /// Whether the answer repeats these bytes, which the reader sent as `nonce` or as `reportData`.
    pub fn repeats(&self, challenge: &Challenge) -> bool {
        let name = if self.statement == Statement::Attestation { "reportData" } else { "nonce" };
        self.says.get(name).and_then(Value::as_str) == Some(challenge.hex().as_str())
    }
}

/// What is signed: the `data` of an envelope that says that all went well, or the whole.
fn data(value: Value) -> Result<JsonObject, Rejected> {
    let Value::Object(mut object) = value else { return Err(rejected("it is no JSON object")) };
    if object.contains_key("attestation") {
        return Ok(object);
    }
    let is_success = object.len() == 2 && object.get("success") == Some(&Value::Bool(true));
    match object.shift_remove("data") {
        Some(Value::Object(data)) if is_success => Ok(data),
        _ => Err(rejected("it has no attestation, and is no answer with one as its data")),
    }
}

fn check_signature(says: &JsonObject, attestation: &Attestation) -> Result<PublicKey, Rejected> {
    let key: PublicKey = bytes(&attestation.public_key, "publicKey")?.try_into().map_err(|_| rejected("publicKey has not 32 bytes"))?;
    let signature = bytes(&attestation.signature, "signature")?;
    let message = format::signed_bytes(says).map_err(|error| rejected(format!("it has no canonical form: {error}")))?;
    let checked = UnparsedPublicKey::new(&ED25519, key).verify(&message, &signature);
    checked.map_err(|_| rejected("the signature is not of this answer and this key: one of them was changed"))?;
    Ok(key)
}

fn check_evidence(
    says: &JsonObject,
    attestation: &Attestation,
    statement: Statement,
    key: &PublicKey,
) -> Result<(Vec<u8>, Contents), Rejected> {
    if attestation.simulated != (attestation.kind == EvidenceKind::Simulated) {
        return Err(rejected("it does not say of its evidence what its kind says"));
    }
    let challenge = match says.get("reportData").filter(|_| statement == Statement::Attestation) {
        None => None,
        Some(given) => {
            let given = given.as_str().ok_or_else(|| rejected("reportData is no text"))?;
            bytes(given, "reportData")?;
            Some(given.parse::<Challenge>().map_err(|error| rejected(format!("reportData {error}")))?)
        }
    };
    let expected = format::report_data(key, challenge.as_ref());
    if bytes(&attestation.evidence.report_data, "evidence.reportData")? != expected {
        return Err(rejected("the evidence is about another key than the one that signed"));
    }
    let quote = bytes(&attestation.evidence.quote, "evidence.quote")?;
    let contents = quote::read(attestation.kind, &quote).map_err(|error| rejected(format!("the quote cannot be read: {error}")))?;
    if contents.report_data != expected {
        return Err(rejected("the quote is about other report data than the evidence says"));
    }
    Ok((quote, contents))
}

fn check_configuration(says: &JsonObject) -> Result<(), Rejected> {
    let character = says.get("agent").and_then(|agent| agent.get("character")).ok_or_else(|| rejected("it has no agent.character"))?;
    let hash =
        format::configuration_hash(character).map_err(|error| rejected(format!("agent.character has no canonical form: {error}")))?;
    if says.get("configurationHash").and_then(Value::as_str) == Some(hash.as_str()) {
        Ok(())
    } else {
        Err(rejected("configurationHash is not the hash of agent.character"))
    }
}

/// Hexadecimal digits in lower case alone, so that there is one way to write the same.
fn bytes(text: &str, name: &str) -> Result<Vec<u8>, Rejected> {
    let bytes = hex::decode(text).ok().filter(|_| !text.bytes().any(|byte| byte.is_ascii_uppercase()));
    bytes.ok_or_else(|| rejected(format!("{name} is not written in hexadecimal digits in lower case")))
}

/// Checks a TDX quote: its signature, the certificates up to Intel's root, which is built in, what was revoked, and the state of the machine.
fn judge_tdx(quote: &[u8], collateral: &str, at: Timestamp) -> Result<Verdict, Rejected> {
    let collateral: QuoteCollateralV3 =
        serde_json::from_str(collateral).map_err(|error| rejected(format!("the collateral cannot be read: {error}")))?;
    let seconds = u64::try_from(at.millis().div_euclid(1_000)).map_err(|_| rejected("the time is before 1970"))?;
    let report = QuoteVerifier::new_prod()
        .verify(quote, &collateral, seconds)
        .map_err(|error| rejected(format!("the TDX quote does not verify: {error:#}")))?;
    if report.status == UP_TO_DATE {
        return Ok(Verdict::Genuine { advisories: report.advisory_ids });
    }
    let advisories = if report.advisory_ids.is_empty() { "none".to_owned() } else { report.advisory_ids.join(", ") };
    Err(rejected(format!(
        "the TDX quote is genuine, but Intel says that the machine is {}, not {UP_TO_DATE} (advisories: {advisories})",
        report.status
    )))
}

#[cfg(test)]
mod tests;

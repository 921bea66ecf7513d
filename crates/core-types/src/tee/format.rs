//! The format of signed answers, for those who write them and those who check them.
//!
//! An answer is a JSON object with an `attestation` in it. The key signs [`signed_bytes`]: a line that names the format, and the
//! canonical form (RFC 8785) of the answer without `attestation.signature`. So everything else is under the signature, the quote included,
//! and the quote is about the key by [`report_data`].

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use sha2::{Digest as _, Sha256, Sha512};

use super::{Challenge, Evidence, EvidenceKind, PublicKey, ReportData, SignedAnswer, Signer};
use crate::{JsonObject, Timestamp};

/// The name and version of the format.
pub const FORMAT: &str = "doolittle-tee-1";

/// What is hashed or signed begins with one of these, so that nothing that is made for one purpose serves for another.
const REPORT_DATA: &[u8] = b"doolittle-tee-1 report data\n";
const ANSWER: &[u8] = b"doolittle-tee-1 answer\n";

/// What an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Statement {
    /// The server.
    Status,
    /// The server, with fresh evidence about what the caller sent.
    Attestation,
    /// All agents.
    Agents,
    /// One agent.
    Agent,
    /// What agents did.
    Logs,
}

/// The proof of an answer. Bytes are lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attestation {
    /// [`FORMAT`].
    pub format: String,
    /// How the evidence was got.
    pub provider: String,
    /// Who signed the evidence.
    pub kind: EvidenceKind,
    /// Whether the evidence is made up.
    pub simulated: bool,
    /// The server's Ed25519 public key.
    pub public_key: String,
    /// What says that the key belongs to the machine.
    pub evidence: WrittenEvidence,
    /// The signature; empty while there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
}

/// Evidence as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WrittenEvidence {
    /// What the quote is about.
    pub report_data: String,
    /// The quote.
    pub quote: String,
    /// [`Evidence::event_log`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_log: Option<String>,
    /// [`Evidence::vm_config`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_config: Option<String>,
    /// [`Evidence::auxiliary`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auxiliary: Option<String>,
}

impl From<&Evidence> for WrittenEvidence {
    fn from(evidence: &Evidence) -> Self {
        Self {
            report_data: hex::encode(evidence.report_data),
            quote: hex::encode(&evidence.quote),
            event_log: evidence.event_log.clone(),
            vm_config: evidence.vm_config.clone(),
            auxiliary: evidence.auxiliary.as_ref().map(hex::encode),
        }
    }
}

/// The report data of evidence about a key and what a caller sent, if anything: SHA-512 of the name of this purpose, the 32 bytes of the key,
/// and those of the caller. The caller's bytes are never report data themselves: who chose those freely could have the machine vouch for
/// another key.
pub fn report_data(key: &PublicKey, challenge: Option<&Challenge>) -> ReportData {
    let hash = Sha512::new().chain_update(REPORT_DATA).chain_update(key);
    hash.chain_update(challenge.map_or(&[][..], Challenge::bytes)).finalize().into()
}

/// SHA-256 of the canonical form of an agent's character, its secrets masked, as hexadecimal digits.
pub fn configuration_hash(character: &Value) -> serde_json::Result<String> {
    Ok(hex::encode(Sha256::digest(serde_json_canonicalizer::to_vec(character)?)))
}

/// What the signature of an answer is made over.
pub fn signed_bytes(answer: &JsonObject) -> serde_json::Result<Vec<u8>> {
    let mut unsigned = answer.clone();
    if let Some(attestation) = unsigned.get_mut("attestation").and_then(Value::as_object_mut) {
        attestation.shift_remove("signature");
    }
    let mut bytes = ANSWER.to_vec();
    bytes.extend(serde_json_canonicalizer::to_vec(&unsigned)?);
    Ok(bytes)
}

/// Writes whole numbers that are too large for a double as the double that they count as: what is shown is what is signed, and readers that
/// take no other numbers (RFC 7493) can check it.
fn make_exact(value: &mut Value) {
    const LARGEST: u64 = 1 << 53;
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => {}
        Value::Number(number) => {
            let is_exact = number.as_i64().map_or_else(|| number.is_f64(), |whole| whole.unsigned_abs() < LARGEST);
            if let Some(double) = number.as_f64().and_then(Number::from_f64).filter(|_| !is_exact) {
                *number = double;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_exact),
        Value::Object(entries) => entries.values_mut().for_each(make_exact),
    }
}

/// Makes a signed answer: what it is about, when, the caller's nonce, what it says, and its attestation.
pub fn sign(
    statement: Statement,
    issued_at: Timestamp,
    nonce: Option<&Challenge>,
    says: JsonObject,
    by: (&dyn Signer, &'static str),
    evidence: &Evidence,
) -> serde_json::Result<SignedAnswer> {
    let (signer, provider) = by;
    let mut answer = JsonObject::new();
    answer.insert("statement".to_owned(), serde_json::to_value(statement)?);
    answer.insert("issuedAt".to_owned(), Value::from(issued_at.iso()));
    if let Some(nonce) = nonce {
        answer.insert("nonce".to_owned(), Value::from(nonce.hex()));
    }
    answer.extend(says);
    answer.values_mut().for_each(make_exact);
    let mut attestation = Attestation {
        format: FORMAT.to_owned(),
        provider: provider.to_owned(),
        kind: evidence.kind,
        simulated: evidence.kind == EvidenceKind::Simulated,
        public_key: hex::encode(signer.public_key()),
        evidence: evidence.into(),
        signature: String::new(),
    };
    answer.insert("attestation".to_owned(), serde_json::to_value(&attestation)?);
    attestation.signature = hex::encode(signer.sign(&signed_bytes(&answer)?));
    answer.insert("attestation".to_owned(), serde_json::to_value(&attestation)?);
    Ok(SignedAnswer::new(answer))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn report_data_are_another_hash_for_every_key_and_challenge() {
        let (one, other) = ([1; 32], [2; 32]);
        let challenge: Challenge = "00".parse().unwrap();
        let all = [report_data(&one, None), report_data(&other, None), report_data(&one, Some(&challenge))];
        assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
        // The same as: printf 'doolittle-tee-1 report data\n' followed by 32 bytes of 1, through `sha512sum`.
        assert_eq!(hex::encode(all[0]), REPORT_DATA_OF_ONES);
    }

    const REPORT_DATA_OF_ONES: &str =
        "1ed8be36e4a678d6146dbb67b0118b2ccf12062388cff953e114dcdadf06fa3380a4d3fd7f5d1be206a64dce06de48c3cce35818bff9843c649c622b06e624fa";

    #[test]
    fn the_order_of_keys_and_the_spelling_of_numbers_do_not_count_and_nothing_else_does_not() {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let answer = object(json!({"b": 1.0, "a": "é\u{1}", "attestation": {"signature": "s", "kind": "tdx"}}));
        let expected = "doolittle-tee-1 answer\n{\"a\":\"é\\u0001\",\"attestation\":{\"kind\":\"tdx\"},\"b\":1}";
        assert_eq!(String::from_utf8(signed_bytes(&answer).unwrap()).unwrap(), expected);
        let same = object(json!({"attestation": {"kind": "tdx"}, "a": "é\u{1}", "b": 1}));
        assert_eq!(signed_bytes(&same).unwrap(), signed_bytes(&answer).unwrap());
        let other = object(json!({"attestation": {"kind": "tdx"}, "a": "é\u{1}", "b": "1"}));
        assert_ne!(signed_bytes(&other).unwrap(), signed_bytes(&answer).unwrap());
    }

    #[test]
    fn a_number_is_shown_as_it_counts() {
        let mut value = json!({"a": [9_007_199_254_740_993_u64, u64::MAX, i64::MIN], "b": [9_007_199_254_740_991_u64, -1, 0.5, 1e300]});
        let before = serde_json_canonicalizer::to_string(&value).unwrap();
        make_exact(&mut value);
        let shown = r#"{"a":[9007199254740992.0,1.8446744073709552e19,-9.223372036854775808e18],"b":[9007199254740991,-1,0.5,1e300]}"#;
        assert_eq!(serde_json::from_str::<Value>(shown).unwrap(), value);
        assert!(value["a"].as_array().unwrap().iter().all(Value::is_f64) && value["b"][0].is_u64());
        assert_eq!(serde_json_canonicalizer::to_string(&value).unwrap(), before);
    }

    #[test]
    fn a_configuration_has_one_hash_however_it_is_written() {
        let hash = |text: &str| configuration_hash(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(hash(r#"{"name": "A", "bio": ["b"]}"#), hash(r#"{"bio":["b"],"name":"\u0041"}"#));
        assert_ne!(hash(r#"{"name": "A"}"#), hash(r#"{"name": "B"}"#));
        // The same as: printf '{"name":"A"}' | sha256sum
        assert_eq!(hash(r#"{"name": "A"}"#), "b2c9ee672db13673e38e84d0da1a6e765c88b3d0f1dc65244d3f736045aa5c84");
    }
}

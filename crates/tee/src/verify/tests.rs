use auth::SigningKey;
use core_types::tee::{Evidence, SignedAnswer, Signer as _};
use serde_json::json;

use super::*;

const TDX: &[u8] = include_bytes!("../../tests/fixtures/tdx_quote");
const COLLATERAL: &str = include_str!("../../tests/fixtures/tdx_quote_collateral.json");

/// A moment at which Intel's word about the machine of the sample holds.
const THEN: &str = "2025-07-01T00:00:00Z";

fn at(time: &str) -> Timestamp {
    Timestamp::parse(time).unwrap()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn evidence(kind: EvidenceKind, report_data: [u8; 64]) -> Evidence {
    let quote = match kind {
        EvidenceKind::Tdx => {
            let mut quote = TDX.to_vec();
            quote[568..632].copy_from_slice(&report_data);
            quote
        }
        EvidenceKind::SevSnp => {
            let mut report = vec![0; 0x4a0];
            report[0x50..0x90].copy_from_slice(&report_data);
            report
        }
        EvidenceKind::Simulated => quote::simulated(&report_data),
    };
    Evidence { kind, report_data, quote, event_log: Some("[]".to_owned()), vm_config: None, auxiliary: Some(vec![0xca, 0xfe]) }
}

fn signed(signer: &SigningKey, statement: Statement, nonce: Option<&str>, says: Value, evidence: &Evidence) -> String {
    let nonce: Option<Challenge> = nonce.map(|nonce| nonce.parse().unwrap());
    let Value::Object(says) = says else { panic!("{says} is no object") };
    let answer: SignedAnswer = format::sign(statement, at(THEN), nonce.as_ref(), says, (signer, "test"), evidence).unwrap();
    json!({"success": true, "data": answer.as_object()}).to_string()
}

/// An answer about an agent, under evidence of this kind about the key of the seed 1.
fn answer(kind: EvidenceKind) -> String {
    let signer = key(1);
    let evidence = evidence(kind, format::report_data(&signer.public_key(), None));
    let character = json!({"name": "Ada", "bio": ["one"]});
    let hash = format::configuration_hash(&character).unwrap();
    let says = json!({"agent": {"name": "Ada", "createdAt": 1_700_000_000_000_i64, "character": character}, "configurationHash": hash});
    signed(&signer, Statement::Agent, Some("c0ffee"), says, &evidence)
}

fn reason(text: &str) -> String {
    Answer::read(text).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn an_answer_holds_with_its_envelope_and_without() {
    let text = answer(EvidenceKind::Simulated);
    let read = Answer::read(&text).unwrap();
    assert_eq!((read.statement(), read.attestation().simulated), (Statement::Agent, true));
    assert_eq!(read.judge(None, at(THEN)), Ok(Verdict::Simulated));
    assert!(read.repeats(&"C0FFEE".parse().unwrap()) && !read.repeats(&"c0ffed".parse().unwrap()));
    // The order of keys and white space are no change.
    let mut data = serde_json::from_str::<Value>(&text).unwrap()["data"].clone();
    data.as_object_mut().unwrap().sort_keys();
    assert_eq!(Answer::read(&format!("{data:#}")).unwrap().says(), read.says());
}

#[test]
fn a_changed_byte_anywhere_is_found() {
    for kind in [EvidenceKind::Simulated, EvidenceKind::SevSnp] {
        let text = answer(kind);
        for place in 0..text.len() {
            for flip in [0x01, 0x02, 0x10, 0x20, 0x80] {
                let mut bytes = text.clone().into_bytes();
                bytes[place] ^= flip;
                let accepted = String::from_utf8(bytes).ok().and_then(|text| Answer::read(&text).ok());
                assert!(accepted.is_none(), "byte {place} of {text}, {flip:#x}");
            }
        }
        for end in 0..text.len() {
            assert!(Answer::read(&text[..end]).is_err(), "cut at {end}");
        }
    }
}

#[test]
fn who_signs_with_another_key_cannot_use_the_evidence_of_the_machine() {
    let (machine, stranger) = (key(1), key(2));
    let genuine = evidence(EvidenceKind::Tdx, format::report_data(&machine.public_key(), None));
    let forged = signed(&stranger, Statement::Status, None, json!({}), &genuine);
    assert!(reason(&forged).contains("another key"), "{}", reason(&forged));
    // Nor by saying that the evidence is about the stranger's key.
    let relabelled = Evidence { report_data: format::report_data(&stranger.public_key(), None), ..genuine };
    let forged = signed(&stranger, Statement::Status, None, json!({}), &relabelled);
    assert!(reason(&forged).contains("other report data"), "{}", reason(&forged));
}

#[test]
fn no_caller_can_have_the_machine_vouch_for_another_key() {
    let (machine, stranger) = (key(1), key(2));
    let wished: Challenge = hex::encode(format::report_data(&stranger.public_key(), None)).parse().unwrap();
    let given = format::report_data(&machine.public_key(), Some(&wished));
    assert_ne!(given, format::report_data(&stranger.public_key(), None));
    let fresh = evidence(EvidenceKind::Tdx, given);
    let forged = signed(&stranger, Statement::Status, None, json!({}), &fresh);
    assert!(Answer::read(&forged).is_err());
    let honest = signed(&machine, Statement::Attestation, None, json!({"reportData": wished.hex()}), &fresh);
    assert!(Answer::read(&honest).unwrap().repeats(&wished));
    // What the caller sent counts in the answer that it was sent for, and in no other.
    let elsewhere = signed(&machine, Statement::Status, None, json!({"reportData": wished.hex()}), &fresh);
    assert!(Answer::read(&elsewhere).is_err());
}

#[test]
fn simulated_evidence_never_passes_for_that_of_hardware() {
    let signer = key(1);
    let made_up = evidence(EvidenceKind::Simulated, format::report_data(&signer.public_key(), None));
    for kind in [EvidenceKind::Tdx, EvidenceKind::SevSnp] {
        let relabelled = Evidence { kind, ..made_up.clone() };
        let text = signed(&signer, Statement::Status, None, json!({}), &relabelled);
        assert!(reason(&text).contains("cannot be read"), "{}", reason(&text));
    }
    // Even one who signs what the format does not make.
    let mut answer = serde_json::from_str::<Value>(&signed(&signer, Statement::Status, None, json!({}), &made_up)).unwrap()["data"].clone();
    answer["attestation"]["simulated"] = json!(false);
    let signature = signer.sign(&format::signed_bytes(answer.as_object().unwrap()).unwrap());
    answer["attestation"]["signature"] = json!(hex::encode(signature));
    assert!(reason(&answer.to_string()).contains("kind"), "{}", reason(&answer.to_string()));
}

#[test]
fn a_configuration_hash_of_something_else_is_found_though_it_is_signed() {
    let signer = key(1);
    let evidence = evidence(EvidenceKind::Simulated, format::report_data(&signer.public_key(), None));
    for says in [
        json!({"agent": {"character": {"name": "Ada"}}, "configurationHash": "00"}),
        json!({"agent": {"character": {"name": "Ada"}}}),
        json!({"agent": {}, "configurationHash": "00"}),
        json!({"configurationHash": "00"}),
    ] {
        let text = signed(&signer, Statement::Agent, None, says, &evidence);
        assert!(reason(&text).contains("character"), "{}", reason(&text));
    }
}

#[test]
fn what_is_no_signed_answer_is_told_so() {
    let mut unknown: Value = serde_json::from_str(&answer(EvidenceKind::Simulated)).unwrap();
    unknown["data"]["attestation"]["more"] = json!(1);
    let mut other_format: Value = serde_json::from_str(&answer(EvidenceKind::Simulated)).unwrap();
    other_format["data"]["attestation"]["format"] = json!("doolittle-tee-2");
    for (text, expected) in [
        ("nonsense".to_owned(), "no JSON"),
        ("[]".to_owned(), "no JSON object"),
        (json!({"success": false, "error": {"code": "TEE_UNAVAILABLE"}}).to_string(), "no attestation"),
        (json!({"success": true, "data": {"pong": true}}).to_string(), "no attestation"),
        (answer(EvidenceKind::Simulated).replacen("\"data\":", "\"more\":1,\"data\":", 1), "no attestation"),
        (unknown.to_string(), "unknown field"),
        (other_format.to_string(), "format is not"),
        (answer(EvidenceKind::Simulated).replacen("\"nonce\":", "\"nonce\":\"00\",\"nonce\":", 1), "twice"),
    ] {
        assert!(reason(&text).contains(expected), "{expected}: {}", reason(&text));
    }
}

#[test]
fn without_collateral_a_tdx_quote_is_not_taken_for_checked() {
    let read = Answer::read(&answer(EvidenceKind::Tdx)).unwrap();
    assert_eq!(read.measurements().len(), 6);
    let reason = read.judge(None, at(THEN)).unwrap_err().to_string();
    assert!(reason.contains("was not checked itself"), "{reason}");
    // The sample was made for other report data than ours, so the hardware did not sign this.
    let reason = read.judge(Some(COLLATERAL), at(THEN)).unwrap_err().to_string();
    assert!(reason.contains("signature"), "{reason}");
}

#[test]
fn an_sev_snp_report_is_not_taken_for_checked() {
    let read = Answer::read(&answer(EvidenceKind::SevSnp)).unwrap();
    let reason = read.judge(Some(COLLATERAL), at(THEN)).unwrap_err().to_string();
    assert!(reason.contains("this program cannot check"), "{reason}");
}

#[test]
fn a_real_quote_verifies_at_its_time_and_as_it_is() {
    assert_eq!(judge_tdx(TDX, COLLATERAL, at(THEN)), Ok(Verdict::Genuine { advisories: Vec::new() }));
    for (time, said) in [("2024-01-01", "does not verify"), ("2025-08-01", "does not verify"), ("2030-01-01", "does not verify")] {
        let reason = judge_tdx(TDX, COLLATERAL, at(time)).unwrap_err().to_string();
        assert!(reason.contains(said), "{time}: {reason}");
    }
    // The header, the measurements, the report data, the signature, the certificates.
    for place in [2, 50, 200, 568, 631, 640, 700, 1_300, 3_000] {
        let mut quote = TDX.to_vec();
        quote[place] ^= 1;
        assert!(judge_tdx(&quote, COLLATERAL, at(THEN)).is_err(), "byte {place}");
    }
    let changed = COLLATERAL.replacen("UpToDate", "Revoked", 1);
    assert!(changed != COLLATERAL && judge_tdx(TDX, &changed, at(THEN)).is_err());
    for bad in ["", "{}", "[]", "nonsense"] {
        let reason = judge_tdx(TDX, bad, at(THEN)).unwrap_err().to_string();
        assert!(reason.contains("collateral cannot be read"), "{reason}");
    }
}

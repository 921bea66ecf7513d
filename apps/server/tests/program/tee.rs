//! The verb `tee verify`, and starts with something that should attest.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use ::tee::Simulator;
use auth::SigningKey;
use core_types::tee::format::{self, Statement};
use core_types::tee::{Attestor as _, Evidence, EvidenceKind, Signer as _};
use core_types::{JsonObject, Timestamp};
use serde_json::json;
use testkit::guest_agent::quote_about;

use crate::{command, doolittle, stderr, stdout};

const COLLATERAL: &str = "../../crates/tee/tests/fixtures/tdx_quote_collateral.json";

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32]).unwrap()
}

fn signed(evidence: &Evidence) -> String {
    let nonce = "c0ffee".parse().unwrap();
    let time = Timestamp::from_millis(1_750_000_000_000);
    let answer = format::sign(Statement::Status, time, Some(&nonce), JsonObject::new(), (&key(), "test"), evidence).unwrap();
    json!({"success": true, "data": answer.as_object()}).to_string()
}

async fn simulated() -> String {
    signed(&Simulator.attest(format::report_data(&key().public_key(), None)).await.unwrap())
}

/// Under a quote that the hardware would have signed if it were ours.
fn tdx() -> String {
    let report_data = format::report_data(&key().public_key(), None);
    let quote = quote_about(&report_data);
    signed(&Evidence { kind: EvidenceKind::Tdx, report_data, quote, event_log: None, vm_config: None, auxiliary: None })
}

fn verify(directory: &Path, text: &str, more: &[&str]) -> Output {
    std::fs::write(directory.join("answer.json"), text).unwrap();
    doolittle(directory, &[], &[&["tee", "verify", "answer.json"], more].concat())
}

#[tokio::test]
async fn simulated_evidence_is_never_called_anything_else() {
    let directory = tempfile::tempdir().unwrap();
    let text = simulated().await;
    let refused = verify(directory.path(), &text, &[]);
    assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(9), ""));
    assert!(stderr(&refused).contains("SIMULATED"), "{}", stderr(&refused));
    let accepted = verify(directory.path(), &text, &["--allow-simulated", "--nonce", "C0FFEE"]);
    assert_eq!(accepted.status.code(), Some(0), "{}", stderr(&accepted));
    let said = stdout(&accepted);
    assert!(said.contains("SIMULATED") && said.contains("nonce          c0ffee\n"), "{said}");
    for output in [&refused, &accepted] {
        assert!(!(stdout(output) + &stderr(output)).to_lowercase().contains("verified"));
    }
}

#[tokio::test]
async fn what_was_changed_or_is_an_old_answer_is_refused_whatever_is_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let text = simulated().await;
    let allowed = ["--allow-simulated"];
    for changed in [text.replacen("2025-", "2026-", 1), text.replacen("\"test\"", "\"dstack\"", 1), String::new()] {
        assert_ne!(changed, text);
        let output = verify(directory.path(), &changed, &allowed);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(9), ""), "{changed}");
        assert!(stderr(&output).starts_with("doolittle: not proved: "), "{}", stderr(&output));
    }
    let old = verify(directory.path(), &text, &["--allow-simulated", "--nonce", "c0ffed"]);
    assert_eq!(old.status.code(), Some(9));
    assert!(stderr(&old).contains("may be an old one"), "{}", stderr(&old));
    let missing = doolittle(directory.path(), &[], &["tee", "verify", "nothing.json"]);
    assert_eq!(missing.status.code(), Some(2), "{}", stderr(&missing));
}

#[test]
fn a_tdx_quote_is_held_against_collateral_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let collateral: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(COLLATERAL);
    let collateral = collateral.to_str().unwrap();
    let without = verify(directory.path(), &tdx(), &["--allow-simulated"]);
    assert_eq!(without.status.code(), Some(9));
    assert!(stderr(&without).contains("needs Intel's collateral"), "{}", stderr(&without));
    let with = verify(directory.path(), &tdx(), &["--collateral", collateral, "--at", "2025-07-01"]);
    assert_eq!((with.status.code(), stdout(&with).as_str()), (Some(9), ""));
    assert!(stderr(&with).contains("the TDX quote does not verify"), "{}", stderr(&with));
}

#[tokio::test]
async fn an_answer_may_come_by_standard_input_and_no_settings_are_read() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("doolittle.toml"), "nonsense").unwrap();
    let mut command = command(directory.path(), &[], &["tee", "verify", "-", "--allow-simulated"]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(simulated().await.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!directory.path().join(".doolittle").exists());
}

#[test]
fn a_server_whose_attestor_is_not_there_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let environment = [("TEE_MODE", "configfs"), ("TEE_CONFIGFS_DIR", "nowhere")];
    let output = doolittle(directory.path(), &environment, &["--port", "0", "--data-dir", "data"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("TEE_MODE=off"), "{}", stderr(&output));
    let output = doolittle(directory.path(), &[("TEE_MODE", "production")], &["--port", "0", "--data-dir", "data"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("must be one of off, dstack, configfs, simulator"), "{}", stderr(&output));
}

//! The verb `tee verify`: checks a file with an answer that a server signed. It asks nobody and reads no settings.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ::tee::verify::{Answer, Rejected, Verdict};
use core_types::tee::format::Statement;
use core_types::{Clock as _, Timestamp};
use serde_json::Value;

use crate::cli::VerifyArgs;
use crate::clock::SystemClock;
use crate::exit::{Exit, Failure};
use crate::program::print;
use crate::terminal;

/// The most bytes of an answer, and of collateral.
const MAX_FILE: u64 = 64 << 20;

/// Checks the file and prints what is proved.
pub fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let text = read(&args.file)?;
    let collateral = args.collateral.as_deref().map(read).transpose()?;
    let answer = Answer::read(&text).map_err(|rejected| unproved(&rejected))?;
    if args.nonce.as_ref().is_some_and(|nonce| !answer.repeats(nonce)) {
        return Err(Failure::new(Exit::Unproved, "the answer does not repeat the nonce, so it may be an old one"));
    }
    let at = args.at.unwrap_or_else(|| SystemClock.now());
    let verdict = answer.judge(collateral.as_deref(), at).map_err(|rejected| unproved(&rejected))?;
    let conclusion = match verdict {
        Verdict::Genuine { advisories } => genuine(&answer, &advisories, at),
        Verdict::Simulated if args.allow_simulated => {
            "SIMULATED: the signature fits the answer, and the evidence is made up. This proves nothing about any machine.".to_owned()
        }
        Verdict::Simulated => {
            let message = "SIMULATED: the evidence is made up and proves nothing; --allow-simulated accepts it all the same";
            return Err(Failure::new(Exit::Unproved, message));
        }
    };
    print(&format!("{}\n{conclusion}\n", facts(&answer)))
}

fn unproved(rejected: &Rejected) -> Failure {
    Failure::new(Exit::Unproved, format!("not proved: {rejected}"))
}

/// A file as text; `-` is standard input.
fn read(path: &Path) -> Result<String, Failure> {
    let unreadable = |error: io::Error| Failure::new(Exit::Usage, format!("the file {} cannot be read", path.display())).because(error);
    let source: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(unreadable)?) };
    let mut text = String::new();
    let read = source.take(MAX_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if read as u64 > MAX_FILE {
        return Err(Failure::new(Exit::Usage, format!("the file {} has more than {MAX_FILE} bytes", path.display())));
    }
    Ok(text)
}

fn genuine(answer: &Answer, advisories: &[String], at: Timestamp) -> String {
    let mut text = format!("VERIFIED: the {} quote was genuine and its machine up to date at {}.", answer.attestation().kind, at.iso());
    if !advisories.is_empty() {
        text = format!("{text} Intel's advisories about it: {}.", terminal::line(&advisories.join(", ")));
    }
    text + "\nWhat ran there is what the measurements above say: compare them with those of the software that you expect."
}

/// What the answer says, line by line.
fn facts(answer: &Answer) -> String {
    let says = |name: &str, within: &str| {
        let value = answer.says().get(name).and_then(|value| value.pointer(within));
        value.and_then(Value::as_str).map(str::to_owned)
    };
    let attestation = answer.attestation();
    let mut facts = vec![("issued", says("issuedAt", "")), ("nonce", says("nonce", "")), ("report data", says("reportData", ""))];
    if answer.statement() == Statement::Agent {
        facts.extend([
            ("agent", says("agent", "/name")),
            ("agent id", says("agent", "/id")),
            ("configuration", says("configurationHash", "")),
        ]);
    }
    facts.push(("public key", Some(attestation.public_key.clone())));
    facts.push(("evidence", Some(format!("{} by {}", attestation.kind, attestation.provider))));
    facts.extend(answer.measurements().iter().map(|(name, bytes)| (*name, Some(hex::encode(bytes)))));
    let lines = facts.into_iter().filter_map(|(name, value)| Some(format!("{name:<14} {}\n", terminal::line(&value?))));
    lines.collect()
}

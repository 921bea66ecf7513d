//! What is told of a run.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::case::{Area, Case, HoldsFor};
use crate::suite::{Outcome, Verdict};

impl Verdict {
    /// One word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Passed => "pass",
            Self::Failed(_) => "FAIL",
            Self::Skipped(_) => "skip",
            Self::NotYet(_) => "not yet",
        }
    }

    /// What there is to say of it.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::Failed(why) | Self::Skipped(why) | Self::NotYet(why) => Some(why),
        }
    }
}

/// One line for a case, and one more where it failed.
pub fn line(outcome: &Outcome) -> String {
    let Outcome { id, title, verdict, took, .. } = outcome;
    match verdict {
        Verdict::Failed(why) => format!("{:8}{id}  {title}\n        {why}\n", verdict.word()),
        Verdict::Passed => format!("{:8}{id}  {title} ({} ms)\n", verdict.word(), took.as_millis()),
        Verdict::Skipped(why) | Verdict::NotYet(why) => format!("{:8}{id}  {title} ({why})\n", verdict.word()),
    }
}

/// How many of each.
pub fn summary(outcomes: &[Outcome]) -> String {
    let count = |word: &str| outcomes.iter().filter(|outcome| outcome.verdict.word() == word).count();
    format!("{} passed, {} failed, {} skipped, {} not yet", count("pass"), count("FAIL"), count("skip"), count("not yet"))
}

/// Whether nothing failed.
pub fn is_good(outcomes: &[Outcome]) -> bool {
    !outcomes.iter().any(|outcome| matches!(outcome.verdict, Verdict::Failed(_)))
}

/// A report as a table.
pub fn markdown(outcomes: &[Outcome]) -> String {
    let mut table = format!("{}.\n\n| case | holds that | result |\n| --- | --- | --- |\n", summary(outcomes));
    for Outcome { id, title, verdict, .. } in outcomes {
        let why = verdict.why().map(|why| format!(": {}", cell(why))).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| {id} | {} | {}{why} |", cell(title), verdict.word());
    }
    table
}

/// A report for programs.
pub fn json(outcomes: &[Outcome]) -> Value {
    let cases: Vec<Value> = outcomes
        .iter()
        .map(|Outcome { area, id, title, verdict, took }| {
            json!({"area": area, "id": id, "title": title, "result": verdict.word(), "why": verdict.why(), "millis": u64::try_from(took.as_millis()).unwrap_or(u64::MAX)})
        })
        .collect();
    json!({"summary": summary(outcomes), "cases": cases})
}

/// All cases with what is expected of each server, as `docs/conformance.md` shows them.
pub fn table(areas: &[Area]) -> String {
    let mut table = String::new();
    for area in areas {
        let _ = write!(
            table,
            "### {}\n\n{}.\n\n| case | holds that | elizaOS 1.7.2 | ours |\n| --- | --- | --- | --- |\n",
            area.area, area.about
        );
        for case in &area.cases {
            let ours = case.later.as_ref().map_or_else(|| "yes".to_owned(), |milestone| format!("not yet: {milestone}"));
            let note = case.note.as_ref().map(|note| format!(" ({})", cell(note))).unwrap_or_default();
            let _ = writeln!(table, "| {} | {}{note} | {} | {ours} |", case.id, cell(&case.title), cell(&on_the_reference(case)));
        }
        table.push('\n');
    }
    table
}

fn on_the_reference(case: &Case) -> String {
    match (case.target, &case.reference) {
        (HoldsFor::Both, _) => "yes".to_owned(),
        (HoldsFor::Ours, reference) => format!("no: {}", reference.as_deref().unwrap_or_default()),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

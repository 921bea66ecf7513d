//! From the arguments to the exit code.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use serde_json::Value;

use crate::cli::Cli;
use crate::failure::{During, Outcome, say};
use crate::scenarios;

/// Runs the scenario of the command line. 0 where there are figures without errors, 1 where not, 2 where the command line
/// makes no sense.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if cfg!(debug_assertions) {
        say("this is not an optimised build: its figures mean nothing (cargo run --release -p bench)");
    }
    match run(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            say("there were errors, so the figures mean nothing, or a verdict was missed under --strict");
            ExitCode::FAILURE
        }
        Err(failure) => {
            say(failure.story());
            ExitCode::FAILURE
        }
    }
}

/// Whether there were no errors.
fn run(cli: &Cli) -> Outcome<bool> {
    let Some(line) = scenarios::run(&cli.scenario, &cli.common)? else { return Ok(true) };
    let line = line.json()?;
    print(&line)?;
    let missed = cli.common.strict && line.get("met") == Some(&Value::Bool(false));
    Ok(!has_errors(&line) && !missed)
}

/// Whether a line tells of errors, or of nothing that was measured.
pub fn has_errors(line: &Value) -> bool {
    let count = |name| line.get(name).and_then(Value::as_u64);
    count("errors") != Some(0) || count("answers").is_none_or(|answers| answers == 0)
}

/// Prints a line of figures.
pub fn print(line: &Value) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).during("writing to standard output")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::has_errors;

    #[test]
    fn a_run_without_a_good_answer_is_as_bad_as_one_with_an_error() {
        for (line, bad) in [
            (json!({"answers": 5, "errors": 0}), false),
            (json!({"answers": 5, "errors": 1}), true),
            (json!({"answers": 0, "errors": 0}), true),
            (json!({}), true),
        ] {
            assert_eq!(has_errors(&line), bad, "{line}");
        }
    }
}

//! The program `conformance`: runs the cases against a server and says what came of them.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use conformance::case::{Target, areas};
use conformance::suite::{Outcome, Selection};
use conformance::world::World;
use conformance::{report, stub, suite};

/// Runs the cases of the API contract against a server that speaks the REST API of elizaOS.
///
/// One line is printed for each case: pass; FAIL, with what was expected and what came; skip, with what was missing; not
/// yet, for what Doolittle is to have later. The exit code is 1 if a case failed, and 2 if the suite could not be run.
///
/// Cases leave agents, channels and messages behind: run them against a server whose data you can throw away.
///
/// The agents of the server must speak through the model that --model-port serves, so give the server
/// `OPENAI_BASE_URL=http://127.0.0.1:PORT/v1` and `OPENAI_API_KEY=x`, and ours `OPENAI_TTS_MODEL=x` and
/// `OPENAI_TRANSCRIPTION_MODEL=x`, since it does not expect speech of a server that only speaks OpenAI's API.
/// Without --model-port the cases that need a model are skipped.
#[derive(Debug, Parser)]
#[command(name = "conformance", version, max_term_width = 110)]
struct Arguments {
    /// The server, such as `http://127.0.0.1:3000`
    #[arg(long, value_name = "URL", required_unless_present = "list")]
    base_url: Option<String>,
    /// Which server it is. Where elizaOS 1.7.2 does otherwise, that is what is expected of `reference`
    #[arg(long, value_enum, default_value_t = Kind::Ours)]
    target: Kind,
    /// The key that the server asks for. Without it the cases about keys are skipped
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Serves the model on this port of 127.0.0.1 while the cases run
    #[arg(long, value_name = "PORT")]
    model_port: Option<u16>,
    /// Runs these cases only: areas, names or beginnings of names, such as `agents,SV,MS-12`
    #[arg(long, value_name = "CASES", value_delimiter = ',')]
    only: Vec<String>,
    /// How many requests the server allows one address in a window. The cases about that use them all up, at the end.
    /// Without it they are skipped
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Speaks from a loopback address of its own for each area, so that a whole run stays below a rate limit for each
    /// address. The server must listen on loopback, on a system that has all of 127.0.0.0/8
    #[arg(long)]
    spread: bool,
    /// How many cases run at the same time
    #[arg(long, value_name = "N", default_value_t = 8)]
    jobs: usize,
    /// Writes a report too: a table if the name ends in `.md`, else JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Prints all cases with what is expected of each server, as a table, and runs nothing
    #[arg(long)]
    list: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Doolittle
    Ours,
    /// The elizaOS server, version 1.7.2
    Reference,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match begin(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            let _ = writeln!(io::stderr(), "{why}");
            ExitCode::from(2)
        }
    }
}

fn begin(arguments: &Arguments) -> Result<bool, String> {
    if arguments.list {
        print(&report::table(&areas()?));
        return Ok(true);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
    let (outcomes, requests) = runtime.block_on(run(arguments))?;
    print(&format!("{}, with {requests} requests\n", report::summary(&outcomes)));
    if let Some(path) = &arguments.report {
        write(path, &outcomes).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(report::is_good(&outcomes))
}

async fn run(arguments: &Arguments) -> Result<(Vec<Outcome>, usize), String> {
    let target = match arguments.target {
        Kind::Ours => Target::Ours,
        Kind::Reference => Target::Reference,
    };
    let mut world = World::at(arguments.base_url.as_deref().unwrap_or_default(), target).await?;
    world.key.clone_from(&arguments.key);
    world.limit = arguments.limit;
    world.has_model = arguments.model_port.is_some();
    world.spread = arguments.spread;
    // Served until the cases have ended.
    let _model = match arguments.model_port {
        Some(port) => Some(stub::serve(port).await.map_err(|error| format!("the model cannot be served on port {port}: {error}"))?),
        None => None,
    };
    let selection = Selection(arguments.only.clone());
    let outcomes = suite::run(&world, &areas()?, &selection, arguments.jobs, |outcome| print(&report::line(outcome))).await;
    Ok((outcomes, world.requests()))
}

fn write(path: &Path, outcomes: &[Outcome]) -> io::Result<()> {
    let text = if path.extension().is_some_and(|ending| ending == "md") {
        report::markdown(outcomes)
    } else {
        format!("{:#}\n", report::json(outcomes))
    };
    std::fs::write(path, text)
}

/// Writes to standard output; a reader that has seen enough is not an error.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

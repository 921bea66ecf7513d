//! The verb `export`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use core_types::agents::AgentSummary;
use core_types::{AgentId, Clock as _};
use domain::{Left, MovingPorts};

use super::{failed, ports, progress};
use crate::cli::ExportArgs;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::lock::DataLock;
use crate::{data_dir, terminal, wiring};

const PROGRAM: &str = concat!("doolittle ", env!("CARGO_PKG_VERSION"));

/// Writes an agent into a file, or to standard output.
pub async fn run(config: &Config, args: ExportArgs) -> Result<(), Failure> {
    data_dir::prepare(&config.data_dir)?;
    let _lock = DataLock::take(&config.data_dir)?;
    let store = wiring::open(config).await?;
    let written = write(&ports(&store), &args).await;
    store.close().await;
    let (agent, left) = written?;
    let kept = if left.secrets.is_empty() { String::new() } else { format!("; not its secrets: {}", left.secrets.join(", ")) };
    let said = format!("{} ({}): {} memories, {} worlds, rooms and people{kept}\n", agent.name, agent.id, left.memories, left.others);
    // Nobody reads along; the file is whole.
    let _ = io::stderr().write_all(terminal::plain(&said).as_bytes());
    Ok(())
}

async fn write(ports: &MovingPorts, args: &ExportArgs) -> Result<(AgentSummary, Left), Failure> {
    let listed = ports.agents.list(None).await.map_err(|error| failed(&error.into(), ""))?;
    let agent = find(listed, &args.agent)?;
    let left = if let Some(path) = &args.out {
        to_file(ports, agent.id, path).await?
    } else {
        let mut out = BufWriter::new(io::stdout());
        domain::leave(ports, agent.id, (SystemClock.now(), PROGRAM), &mut out, &progress()).await.map_err(|error| failed(&error, ""))?
    };
    Ok((agent, left))
}

/// The file is whole or not there, its owner's alone, and never in place of another.
async fn to_file(ports: &MovingPorts, agent: AgentId, path: &Path) -> Result<Left, Failure> {
    if path.exists() {
        return Err(Failure::new(Exit::Usage, format!("{} is there already; name another file", path.display())));
    }
    let partial = path.with_added_extension("partial");
    let unwritable = |error: io::Error| Failure::new(Exit::Failure, format!("{} cannot be written", path.display())).because(error);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = BufWriter::new(options.open(&partial).map_err(unwritable)?);
    let left = domain::leave(ports, agent, (SystemClock.now(), PROGRAM), &mut out, &progress()).await.map_err(|error| failed(&error, ""));
    let finished = left.and_then(|left| finish(out, &partial, path).map_err(unwritable).map(|()| left));
    if finished.is_err() {
        // What is left of it is nobody's file; that it failed is told anyway.
        let _ = std::fs::remove_file(&partial);
    }
    finished
}

fn finish(out: BufWriter<File>, partial: &Path, path: &Path) -> io::Result<()> {
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(partial, path)
}

/// The agent of this name or id, or of a beginning of an id that only one has.
fn find(agents: Vec<AgentSummary>, wanted: &str) -> Result<AgentSummary, Failure> {
    let mut fitting: Vec<AgentSummary> = agents
        .into_iter()
        .filter(|agent| agent.name.eq_ignore_ascii_case(wanted) || agent.id.to_string().starts_with(&wanted.to_lowercase()))
        .collect();
    match (fitting.pop(), fitting.len()) {
        (Some(agent), 0) if !wanted.is_empty() => Ok(agent),
        (Some(_), others) => Err(Failure::new(Exit::Usage, format!("{} agents are meant by `{wanted}`; name one by its id", others + 1))),
        (None, _) => Err(Failure::new(Exit::Failure, format!("there is no agent `{wanted}` in this data directory"))),
    }
}

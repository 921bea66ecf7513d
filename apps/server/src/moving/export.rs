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
    let agent = find(&listed, &args.agent)?;
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

/// The agent of this id, else of this name in any case, else of a beginning of an id that only one has. Tenants name their agents as they
/// like, so that an id comes first, and the owner's agents come before theirs.
fn find(agents: &[AgentSummary], wanted: &str) -> Result<AgentSummary, Failure> {
    let sought = wanted.trim().to_lowercase();
    let by_id = |agent: &AgentSummary| agent.id.to_string() == sought;
    let by_name = |agent: &AgentSummary| agent.name.to_lowercase() == sought;
    let own_by_name = |agent: &AgentSummary| agent.owner.is_none() && by_name(agent);
    let by_beginning = |agent: &AgentSummary| !sought.is_empty() && agent.id.to_string().starts_with(&sought);
    let tries: [&dyn Fn(&AgentSummary) -> bool; 4] = [&by_id, &own_by_name, &by_name, &by_beginning];
    for fits in tries {
        let found: Vec<&AgentSummary> = agents.iter().filter(|agent| fits(agent)).collect();
        match found.as_slice() {
            [] => {}
            [one] => return Ok((*one).clone()),
            several => {
                let count = several.len();
                return Err(Failure::new(Exit::Usage, format!("{count} agents are meant by `{wanted}`; name one by its id")));
            }
        }
    }
    Err(Failure::new(Exit::Failure, format!("there is no agent `{wanted}` in this data directory")))
}

#[cfg(test)]
mod tests {
    use core_types::agents::AgentSummary;
    use core_types::{AgentId, Tenant};
    use uuid::Uuid;

    use super::find;

    fn agent(id: u128, name: &str, tenant: Option<&str>) -> AgentSummary {
        let owner = tenant.and_then(Tenant::new);
        AgentSummary { id: AgentId::new(Uuid::from_u128(id)), name: name.to_owned(), bio: String::new(), running: false, owner }
    }

    #[test]
    fn an_agent_is_found_by_id_before_name_and_ones_own_before_a_tenants() {
        let (ada, eliza) = (0xaa_u128 << 120, 0xbb_u128 << 120);
        let by_ids_name = Uuid::from_u128(ada).to_string();
        let agents = [
            agent(1, &by_ids_name, Some("shop")),
            agent(2, "ADA", Some("shop")),
            agent(3, "bb", Some("shop")),
            agent(4, "Zoe", Some("shop")),
            agent(ada, "Ada", None),
            agent(eliza, "Eliza", None),
        ];
        for (wanted, id) in [
            (by_ids_name.to_uppercase().as_str(), ada),
            ("ada", ada),
            ("aa", ada),
            ("bb0", eliza),
            ("zoe", 4),
            ("00000000-0000-0000-0000-000000000002", 2),
        ] {
            assert_eq!(find(&agents, wanted).unwrap().id, AgentId::new(Uuid::from_u128(id)), "{wanted}");
        }
    }

    #[test]
    fn what_means_several_or_nobody_is_refused() {
        let agents = [agent(1, "Twin", None), agent(2, "Twin", None), agent(3, "Ada", Some("shop"))];
        for (wanted, message) in [("twin", "2 agents are meant"), ("0000", "3 agents are meant"), ("", "no agent"), ("bob", "no agent")] {
            let failure = find(&agents, wanted).unwrap_err();
            assert!(failure.message.contains(message), "{wanted}: {failure}");
        }
    }
}

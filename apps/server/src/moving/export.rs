//! The verb `export`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use core_types::agents::{Agent, AgentRepository, AgentSummary};
use core_types::error::chain;
use core_types::{AgentId, Clock as _, StoreError};
use domain::{Left, MovingPorts};

use super::{failed, ports, progress};
use crate::cli::ExportArgs;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::lock::DataLock;
use crate::{data_dir, migrate, terminal, wiring};

/// How many agents are asked for at once.
const PORTION: u32 = 500;

const PROGRAM: &str = concat!("doolittle ", env!("CARGO_PKG_VERSION"));

/// Writes an agent into a file, or to standard output.
pub async fn run(config: &Config, args: ExportArgs) -> Result<(), Failure> {
    // What cannot work leaves nothing that was not there.
    args.out.as_deref().map_or(Ok(()), place_for)?;
    if config.postgres_url.is_none() && !config.data_dir.join(wiring::DATABASE).is_file() {
        let message = format!("there is no agent in {}, for it has no database; name another with --data-dir", config.data_dir.display());
        return Err(Failure::new(Exit::DataDir, message));
    }
    data_dir::prepare(&config.data_dir)?;
    let _lock = DataLock::take(&config.data_dir)?;
    // To open it would bring it to this version's schema, which nobody asked for.
    migrate::must_be_current(config).await?;
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
    let agent = look_up(ports.agents.as_ref(), &args.agent).await?;
    let left = if let Some(path) = &args.out {
        to_file(ports, agent.id, path).await?
    } else {
        let mut out = BufWriter::new(io::stdout());
        domain::leave(ports, agent.id, (SystemClock.now(), PROGRAM), &mut out, &progress()).await.map_err(|error| failed(&error, ""))?
    };
    Ok((agent, left))
}

/// Refuses a path at which no file can be made.
fn place_for(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::new(Exit::Usage, format!("{} is there already; name another file", path.display())));
    }
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) if !parent.is_dir() => {
            Err(Failure::new(Exit::Failure, format!("{} cannot be written: there is no directory {}", path.display(), parent.display())))
        }
        _ => Ok(()),
    }
}

/// The file is whole or not there, its owner's alone, and never in place of another.
async fn to_file(ports: &MovingPorts, agent: AgentId, path: &Path) -> Result<Left, Failure> {
    place_for(path)?;
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

/// The agent that is meant. The list that is made for display ends somewhere; here all agents are gone through, and only those are kept
/// that may be meant.
async fn look_up(agents: &dyn AgentRepository, wanted: &str) -> Result<AgentSummary, Failure> {
    let unread = |error: StoreError| failed(&error.into(), "");
    let sought = wanted.trim().to_lowercase();
    if let Ok(id) = sought.parse::<AgentId>()
        && let Some(agent) = agents.find(id).await.map_err(unread)?
    {
        return Ok(summary(agent));
    }
    let (mut fitting, mut last) = (Vec::new(), None);
    loop {
        let ids = agents.ids_after(last, PORTION).await.map_err(unread)?;
        if ids.is_empty() {
            return find(&fitting, wanted);
        }
        last = ids.last().copied();
        for id in ids {
            match agents.find(id).await {
                Ok(found) => fitting.extend(found.map(summary).filter(|agent| may_be(agent, &sought))),
                Err(error) => log::warn!("agent {id} cannot be read and is passed over: {}", chain(&error)),
            }
        }
    }
}

/// An agent without its bio, which is not looked at here.
fn summary(agent: Agent) -> AgentSummary {
    AgentSummary { id: agent.id, name: agent.character.name, bio: String::new(), running: agent.running, owner: agent.owner }
}

/// Whether an agent has this id or name, or an id that begins so.
fn may_be(agent: &AgentSummary, sought: &str) -> bool {
    !sought.is_empty() && agent.id.to_string().starts_with(sought) || agent.name.to_lowercase() == sought
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
    use async_trait::async_trait;
    use core_types::agents::{Added, Agent, AgentCount, AgentRepository, AgentSummary};
    use core_types::character::Character;
    use core_types::memory::AgentPlane;
    use core_types::messaging::ChannelEvent;
    use core_types::secrets::{SealedSecret, SecretChange};
    use core_types::{AgentId, Reach, StoreError, StoreResult, Tenant, Timestamp};
    use uuid::Uuid;

    use super::{find, look_up};

    /// Agents of these numbers, which their names have too. A list shows none of them, no more than two are told at once, and the first
    /// cannot be read.
    struct Numbered(Vec<u128>);

    /// The answer to what an export does not ask.
    fn unasked<T>() -> StoreResult<T> {
        Err(StoreError::Defect("an export does not ask that".into()))
    }

    impl Numbered {
        fn agent(number: u128) -> Agent {
            let character = Character { name: format!("Agent {number}"), ..Character::default() };
            let (id, at) = (AgentId::new(Uuid::from_u128(number)), Timestamp::from_millis(0));
            Agent { id, character, enabled: true, running: false, owner: None, created_at: at, updated_at: at }
        }
    }

    #[async_trait]
    impl AgentRepository for Numbered {
        async fn find(&self, id: AgentId) -> StoreResult<Option<Agent>> {
            match self.0.iter().position(|number| *number == id.uuid().as_u128()) {
                Some(0) => Err(StoreError::Defect("torn".into())),
                Some(at) => Ok(Some(Self::agent(self.0[at]))),
                None => Ok(None),
            }
        }

        async fn list(&self, _: Option<&Reach>) -> StoreResult<Vec<AgentSummary>> {
            Ok(Vec::new())
        }

        async fn ids_after(&self, after: Option<AgentId>, _: u32) -> StoreResult<Vec<AgentId>> {
            let ids = self.0.iter().map(|number| AgentId::new(Uuid::from_u128(*number)));
            Ok(ids.filter(|id| after.is_none_or(|after| *id > after)).take(2).collect())
        }

        async fn add(&self, _: Agent, _: Vec<SealedSecret>) -> StoreResult<Added<Agent>> {
            unasked()
        }

        async fn exists(&self, _: AgentId) -> StoreResult<bool> {
            unasked()
        }

        async fn first_running(&self, _: Option<&Reach>) -> StoreResult<Option<AgentId>> {
            unasked()
        }

        async fn count(&self) -> StoreResult<AgentCount> {
            unasked()
        }

        async fn replace(&self, _: Agent, _: Timestamp, _: Vec<SecretChange>) -> StoreResult<bool> {
            unasked()
        }

        async fn start(&self, _: AgentId, _: AgentPlane, _: Timestamp) -> StoreResult<Option<Agent>> {
            unasked()
        }

        async fn restart(&self, _: AgentId, _: AgentPlane, _: Timestamp) -> StoreResult<Option<Agent>> {
            unasked()
        }

        async fn stop(&self, _: AgentId, _: Timestamp) -> StoreResult<Option<bool>> {
            unasked()
        }

        async fn remove(&self, _: AgentId, _: Timestamp) -> StoreResult<Option<Vec<ChannelEvent>>> {
            unasked()
        }
    }

    #[tokio::test]
    async fn an_agent_is_looked_up_among_all_and_not_only_among_those_that_are_listed() {
        let agents = Numbered(vec![1, 2, 3, 4, 0xcc_u128 << 120]);
        let id = |number: u128| Uuid::from_u128(number).to_string();
        for (wanted, number) in [("agent 4", 4), (" AGENT 3 ", 3), ("cc", 0xcc_u128 << 120), (id(2).as_str(), 2)] {
            assert_eq!(look_up(&agents, wanted).await.unwrap().id.uuid().as_u128(), number, "{wanted}");
        }
        for (wanted, message) in [("agent 9", "no agent"), (id(9).as_str(), "no agent"), ("00000000-", "3 agents are meant")] {
            let failure = look_up(&agents, wanted).await.unwrap_err();
            assert!(failure.message.contains(message), "{wanted}: {failure}");
        }
        assert!(look_up(&agents, &id(1)).await.is_err(), "it is there, and cannot be read");
    }

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

//! What agents did: runs and logs.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::access::Wanted;
use core_types::agents::AgentRepository;
use core_types::runs::{LogEntry, LogFilter, Run, RunDetail, RunFilter, RunRepository, RunService};
use core_types::{AgentId, Caller, Listed, LogId, Page, Permission, RunId, ServiceError, ServiceResult, StoreResult, Thing, Timestamp};
use serde_json::json;

use crate::permission::{Access, require};
use crate::places::LongReads;

/// How many log lines are read at once while filtering, and how many at most for one answer.
const LOG_PAGE: u32 = 500;
const LOG_SCAN: u32 = 10_000;

/// Shows what agents did.
pub struct Runs {
    /// Where agents are kept.
    pub agents: Arc<dyn AgentRepository>,
    /// What callers can reach.
    pub access: Access,
    /// Where runs and logs are kept.
    pub runs: Arc<dyn RunRepository>,
    /// The places that filtered lists take.
    pub reads: LongReads,
}

#[async_trait]
impl RunService for Runs {
    async fn list(&self, caller: &Caller, agent: AgentId, filter: RunFilter, page: Page) -> ServiceResult<Listed<Run>> {
        self.known(caller, agent).await?;
        // By time alone an index leads to them.
        let is_long = filter.room.is_some() || filter.status.is_some();
        let _place = self.reads.place_if(is_long, caller).await?;
        Ok(self.runs.list(agent, filter, page).await?)
    }

    async fn get(&self, caller: &Caller, agent: AgentId, id: RunId) -> ServiceResult<Option<RunDetail>> {
        self.known(caller, agent).await?;
        let Some(run) = self.runs.find(agent, id).await? else { return Ok(None) };
        // Log lines name their run in their body, and are all from between its beginning and its end.
        let filter = LogFilter { since: Some(run.started_at), until: Some(run.ended_at), limit: LOG_SCAN, ..LogFilter::default() };
        let mut logs = self.runs.logs(agent, filter).await?;
        let named = json!(id);
        logs.retain(|entry| entry.body.get("runId") == Some(&named));
        logs.reverse();
        Ok(Some(RunDetail { run, logs }))
    }

    async fn logs(&self, caller: &Caller, agent: AgentId, filter: LogFilter) -> ServiceResult<Vec<LogEntry>> {
        self.known(caller, agent).await?;
        let _place = self.reads.place_if(goes_through_lines(&filter), caller).await?;
        Ok(filtered_logs(self.runs.as_ref(), Some(agent), filter).await?.lines)
    }

    async fn remove_log(&self, caller: &Caller, agent: AgentId, id: LogId) -> ServiceResult<()> {
        require(caller, Permission::AgentsWrite)?;
        self.known(caller, agent).await?;
        Ok(self.runs.remove_log(agent, id).await?)
    }
}

impl Runs {
    async fn known(&self, caller: &Caller, agent: AgentId) -> ServiceResult<()> {
        require(caller, Permission::AgentsRead)?;
        self.access.to(caller, Wanted::OwnAgent(agent)).await?;
        if self.agents.exists(agent).await? { Ok(()) } else { Err(ServiceError::NotFound(Thing::Agent)) }
    }
}

/// Whether lines are gone through for those that pass: an index leads to times alone.
pub(crate) const fn goes_through_lines(filter: &LogFilter) -> bool {
    filter.room.is_some() || filter.entity.is_some() || filter.kind.is_some() || filter.looks_into_lines()
}

/// What a filter found.
pub(crate) struct FoundLogs {
    /// The lines, newest first.
    pub(crate) lines: Vec<LogEntry>,
    /// Where not everything was looked at that might be: how far it was.
    pub(crate) searched_to: Option<Timestamp>,
}

/// The lines of an agent, or of all, that pass a filter: pages are read until there are enough. What lines say is looked at here; how far
/// that may make one answer read is bounded.
pub(crate) async fn filtered_logs(runs: &dyn RunRepository, agent: Option<AgentId>, filter: LogFilter) -> StoreResult<FoundLogs> {
    if !filter.looks_into_lines() {
        return Ok(FoundLogs { lines: read(runs, agent, filter).await?, searched_to: None });
    }
    let wanted = filter.limit as usize;
    let mut to_skip = filter.offset as usize;
    let mut found = FoundLogs { lines: Vec::new(), searched_to: None };
    for offset in (0..LOG_SCAN).step_by(LOG_PAGE as usize) {
        let page = read(runs, agent, LogFilter { offset, limit: LOG_PAGE, ..filter.clone() }).await?;
        let last = page.len() < LOG_PAGE as usize;
        found.searched_to = page.last().map(|entry| entry.created_at).filter(|_| !last);
        for entry in page.into_iter().filter(|entry| filter.passes(entry)) {
            if to_skip > 0 {
                to_skip -= 1;
            } else if found.lines.len() < wanted {
                found.lines.push(entry);
            }
        }
        if last || found.lines.len() == wanted {
            // There may be more, which another page has.
            found.searched_to = None;
            break;
        }
    }
    Ok(found)
}

async fn read(runs: &dyn RunRepository, agent: Option<AgentId>, filter: LogFilter) -> StoreResult<Vec<LogEntry>> {
    match agent {
        Some(agent) => runs.logs(agent, filter).await,
        None => runs.all_logs(filter).await,
    }
}

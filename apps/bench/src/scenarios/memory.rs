//! The server's memory.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{lanes, put, round_trip, submit};
use crate::api::Api;
use crate::cli::{Common, MemoryArgs};
use crate::failure::{Outcome, say};
use crate::figures::{Line, mib};
use crate::load::Expected;
use crate::target::{Place, Target, needs_own_server, parameters};

/// How long a server is left alone before it counts as idle: longer than its allocator keeps what was freed.
const SETTLING: Duration = Duration::from_secs(2);

/// Users that talk to the agent for the load.
const USERS: u16 = 32;

/// Connections that submit for the load, and channels.
const CONNECTIONS: u16 = 64;

pub(super) fn run(arguments: &MemoryArgs, common: &Common) -> Outcome<Line> {
    needs_own_server(common)?;
    let mut idle = Vec::with_capacity(arguments.agents.len());
    for agents in &arguments.agents {
        idle.push(measure_idle(common, *agents)?);
    }
    let line = after_load(common, Line::new("memory", parameters(common)))?;
    Ok(line.with("idle", json!(idle)))
}

/// The memory with so many started agents: after they were made, and after a restart.
fn measure_idle(common: &Common, agents: u16) -> Outcome<Value> {
    let target = Target::started(common, Place::new(common)?, false)?;
    let mut api = Api::open(&target)?;
    for number in 0..agents {
        api.start_agent(&format!("Bench {number}"))?;
    }
    drop(api);
    let made = settled(&target);
    let target = Target::started(common, target.stop()?, false)?;
    let rested = settled(&target);
    say(format!("{agents} agents: {made:?} MiB after they were made, {rested:?} MiB after a restart"));
    Ok(json!({ "agents": agents, "rss_mib": rested, "made_rss_mib": made }))
}

fn settled(target: &Target) -> Option<f64> {
    thread::sleep(SETTLING);
    target.resident().map(|resident| mib(resident.now))
}

/// The memory after submits and conversations, with one agent.
fn after_load(common: &Common, line: Line) -> Outcome<Line> {
    let target = Target::started(common, Place::new(common)?, true)?;
    let submits = submit::requests(&target, CONNECTIONS, false)?;
    let submitted = put(&target.load(lanes(CONNECTIONS, submits), Expected { status: 201, contains: "" }))?;
    let talked = put(&target.load(round_trip::lanes(&target, USERS)?, round_trip::REPLIED))?;
    thread::sleep(SETTLING);
    let mut line = line.resident(target.resident());
    line.answers = submitted.latencies.count() + talked.latencies.count();
    line.errors = submitted.errors + talked.errors;
    Ok(line)
}

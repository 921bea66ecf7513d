//! The list of agents.

use serde_json::json;

use super::{lanes, put};
use crate::api::Api;
use crate::cli::{AgentsArgs, Common};
use crate::failure::{Outcome, say};
use crate::figures::Line;
use crate::load::Expected;
use crate::target::Target;

pub(super) fn run(arguments: &AgentsArgs, common: &Common) -> Outcome<Line> {
    let target = Target::prepare(common)?;
    let listed = fill(&target, usize::from(arguments.agents))?;
    let request = target.request("GET", "/api/agents", None);
    let expected = Expected { status: 200, contains: "\"agents\":[" };
    let measured = put(&target.load(lanes(arguments.load.connections, vec![request]), expected))?;
    let mut parameters = target.parameters();
    parameters.insert("connections".to_owned(), json!(arguments.load.connections));
    parameters.insert("agents".to_owned(), json!(listed));
    Ok(Line::new("agents", parameters).measured(&measured).resident(target.resident()))
}

/// Makes the agents that are missing; returns how many there are then.
fn fill(target: &Target, wanted: usize) -> Outcome<usize> {
    let mut api = Api::open(target)?;
    let there = api.agents()?.len();
    if there < wanted {
        say(format!("making {} agents", wanted - there));
    }
    for number in there..wanted {
        api.start_agent(&format!("Bench {number}"))?;
    }
    Ok(there.max(wanted))
}

//! Messages to many channels.

use serde_json::json;

use super::{beside_limit, lanes, put};
use crate::api::Api;
use crate::cli::{Common, SqliteLimitArgs, SubmitArgs};
use crate::failure::Outcome;
use crate::figures::Line;
use crate::limits::sqlite;
use crate::load::Expected;
use crate::posts::{self, User};
use crate::target::Target;

const PATH: &str = "/api/messaging/submit";

/// More is posted than the agent can answer, and no post is to be refused for that.
const NO_BOUND: &[(&str, &str)] = &[("MAX_WAITING_MESSAGES", "10000000")];

pub(super) fn run(arguments: &SubmitArgs, common: &Common) -> Outcome<Line> {
    let target = Target::prepare_with(common, NO_BOUND)?;
    let connections = arguments.load.connections;
    let requests = requests(&target, arguments.channels, arguments.agent)?;
    let group = SqliteLimitArgs { group: connections, channels: arguments.channels };
    let limit = |when| sqlite::measure(common, &group, when);
    let before = arguments.limit.then(|| limit("before")).transpose()?;
    let measured = put(&target.load(lanes(connections, requests), Expected { status: 201, contains: "\"data\":{" }))?;
    let mut parameters = target.parameters();
    parameters.insert("connections".to_owned(), json!(connections));
    parameters.insert("channels".to_owned(), json!(arguments.channels));
    parameters.insert("agent".to_owned(), json!(arguments.agent));
    let line = Line::new("submit", parameters).measured(&measured).resident(target.resident());
    let after = arguments.limit.then(|| limit("after")).transpose()?;
    Ok(match (before, after) {
        (Some(before), Some(after)) => beside_limit(line, "sqlite", &before, &after),
        _ => line,
    })
}

/// Makes the channels, with an agent in each or without, and the requests: one text after the other to each channel in
/// turn, so that two connections seldom write to the same one.
pub(super) fn requests(target: &Target, channels: u16, with_agent: bool) -> Outcome<Vec<Vec<u8>>> {
    let mut api = Api::open(target)?;
    let agent = with_agent.then(|| api.running_agent()).transpose()?;
    let kind = if with_agent { "DM" } else { "GROUP" };
    let mut made = Vec::with_capacity(channels.into());
    for number in 0..channels {
        let author = User(number.into());
        let id = author.to_string();
        let participants: Vec<&str> = [id.as_str()].into_iter().chain(agent.as_deref()).collect();
        made.push((author, api.channel(&format!("Bench submit {number}"), kind, &participants)?));
    }
    let post = |text: &str, author: User, channel: &str| target.request("POST", PATH, Some(&posts::submit(channel, author, text)));
    let rounds = posts::TEXTS.iter().flat_map(|text| made.iter().map(move |(author, channel)| (text, author, channel)));
    Ok(rounds.map(|(text, author, channel)| post(text, *author, channel)).collect())
}

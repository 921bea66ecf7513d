//! From a message to the agent's reply, which is in the answer (`transport: "http"`).

use serde_json::json;

use super::put;
use crate::api::Api;
use crate::cli::{Common, RoundTripArgs};
use crate::failure::Outcome;
use crate::figures::Line;
use crate::load::{Expected, Lane};
use crate::posts::{self, User};
use crate::target::Target;

/// An answer with the reply in it.
pub(super) const REPLIED: Expected = Expected { status: 201, contains: "\"agentResponse\":{" };

pub(super) fn run(arguments: &RoundTripArgs, common: &Common) -> Outcome<Line> {
    let target = Target::prepare(common)?;
    let measured = put(&target.load(lanes(&target, arguments.users)?, REPLIED))?;
    let mut parameters = target.parameters();
    parameters.insert("users".to_owned(), json!(arguments.users));
    Ok(Line::new("round-trip", parameters).measured(&measured).resident(target.resident()))
}

/// Makes a direct channel with the agent for each user, and the requests: each user says one text after the other.
pub(super) fn lanes(target: &Target, users: u16) -> Outcome<Vec<Lane>> {
    let mut api = Api::open(target)?;
    let agent = api.running_agent()?;
    let mut lanes = Vec::with_capacity(users.into());
    for number in 0..users {
        let (path, author) = channel(&mut api, &agent, User(number.into()))?;
        let post = |text: &&str| target.request("POST", &path, Some(&posts::to_agent(author, &agent, text)));
        let requests: Vec<Vec<u8>> = posts::TEXTS.iter().map(post).collect();
        lanes.push(Lane { requests: requests.into(), first: usize::from(number) % posts::TEXTS.len() });
    }
    Ok(lanes)
}

/// Makes a user's direct channel with an agent; returns the path of its messages.
pub(super) fn channel(api: &mut Api<'_>, agent: &str, user: User) -> Outcome<(String, User)> {
    let channel = api.channel(&format!("Bench talk {}", user.0), "DM", &[&user.to_string(), agent])?;
    Ok((format!("/api/messaging/central-channels/{channel}/messages"), user))
}

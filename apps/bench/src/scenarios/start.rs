//! Starting on a database that has an agent and a conversation.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{ping, round_trip};
use crate::api::Api;
use crate::cli::{Common, StartArgs};
use crate::failure::{During as _, Failure, Outcome, say};
use crate::figures::{Latencies, Line, float, rounded};
use crate::posts::{self, User};
use crate::server;
use crate::target::{Place, Target, needs_own_server, parameters};

pub(super) fn run(arguments: &StartArgs, common: &Common) -> Outcome<Line> {
    needs_own_server(common)?;
    let mut place = Place::new(common)?;
    let filesystem = json!(place.filesystem());
    let (path, body);
    (place, path, body) = begin_conversation(common, place)?;
    let (mut pings, mut replies) = (Latencies::new(), Latencies::new());
    let mut resident = None;
    for _ in 0..arguments.times {
        let started;
        (place, started) = start(common, place, &path, &body)?;
        pings.record(started.ping);
        replies.record(started.reply);
        resident = started.resident;
    }
    let mut parameters = parameters(common);
    parameters.retain(|name, _| name != "seconds" && name != "warm_up_seconds");
    parameters.insert("times".to_owned(), json!(arguments.times));
    parameters.insert("filesystem".to_owned(), filesystem);
    let bytes = fs::metadata(server::program(common.server.as_deref())?).during("looking at the program")?.len();
    let line = Line::new("start", parameters).latencies(&replies).resident(resident);
    let line = line.with("ping_p50_ms", json!(pings.quantile_ms(0.5))).with("ping_p99_ms", json!(pings.quantile_ms(0.99)));
    Ok(line.with("program_mb", json!(rounded(float(bytes) / 1e6))))
}

/// Makes the database: one agent, one direct channel, one exchange. Returns how to go on talking.
fn begin_conversation(common: &Common, place: Place) -> Outcome<(Place, String, Value)> {
    let target = Target::started(common, place, true)?;
    let mut api = Api::open(&target)?;
    let agent = api.running_agent()?;
    let (path, author) = round_trip::channel(&mut api, &agent, User(0))?;
    let body = posts::to_agent(author, &agent, posts::text(0));
    reply(&mut api, &path, &body)?;
    drop(api);
    Ok((target.stop()?, path, body))
}

/// One start.
struct Started {
    /// From the start of the process to the answer to a ping.
    ping: Duration,
    /// The same, to the reply to a message that is sent after the ping.
    reply: Duration,
    resident: Option<crate::machine::Resident>,
}

fn start(common: &Common, place: Place, path: &str, body: &Value) -> Outcome<(Place, Started)> {
    let begin = Instant::now();
    let target = Target::started(common, place, true)?;
    let mut api = Api::open(&target)?;
    api.body("GET", ping::PATH, None)?;
    let ping = begin.elapsed();
    reply(&mut api, path, body)?;
    let reply = begin.elapsed();
    drop(api);
    say(format!("ping after {} ms, reply after {} ms", ping.as_millis(), reply.as_millis()));
    let resident = target.resident();
    Ok((target.stop()?, Started { ping, reply, resident }))
}

/// Sends a message and sees that the answer has a reply.
fn reply(api: &mut Api<'_>, path: &str, body: &Value) -> Outcome<()> {
    let answer = api.call("POST", path, Some(body))?;
    if answer.pointer("/agentResponse/text").is_some_and(Value::is_string) {
        return Ok(());
    }
    Err(Failure::new(format!("the answer to a message has no reply: {answer}")))
}

//! The newest messages of a long channel.

use std::sync::Arc;

use serde_json::{Value, json};

use super::put;
use crate::api::Api;
use crate::cli::{Common, ReadArgs};
use crate::failure::{Failure, Outcome, say};
use crate::figures::{Line, rounded};
use crate::load::{Expected, Extent, Lane, Load};
use crate::posts::{self, User};
use crate::target::Target;

/// Connections that fill the channel.
const WRITERS: u32 = 32;

pub(super) fn run(arguments: &ReadArgs, common: &Common) -> Outcome<Line> {
    let target = Target::prepare(common)?;
    let mut api = Api::open(&target)?;
    let author = User(0);
    let channel = api.channel("Bench read", "GROUP", &[&author.to_string()])?;
    fill(&target, &channel, author, arguments.messages)?;
    let path = format!("/api/messaging/central-channels/{channel}/messages?limit={}", arguments.page);
    let bytes = check(&mut Api::open(&target)?, &path, arguments)?;
    let paths = if arguments.spread { spread(&mut Api::open(&target)?, &channel, &path)? } else { vec![path] };
    let requests: Arc<[Vec<u8>]> = paths.iter().map(|path| target.request("GET", path, None)).collect();
    let connections = arguments.load.connections;
    // As far from each other as can be, so that no connection reads what another one has just read.
    let first = |connection: u16| usize::from(connection) * requests.len() / usize::from(connections.max(1));
    let lanes = (0..connections).map(|connection| Lane { requests: Arc::clone(&requests), first: first(connection) }).collect();
    let expected = Expected { status: 200, contains: "\"messages\":[{" };
    let measured = put(&target.load(lanes, expected))?;
    let mut parameters = target.parameters();
    parameters.insert("connections".to_owned(), json!(arguments.load.connections));
    parameters.insert("messages".to_owned(), json!(arguments.messages));
    parameters.insert("page".to_owned(), json!(arguments.page));
    parameters.insert("spread".to_owned(), json!(arguments.spread));
    parameters.insert("bytes".to_owned(), json!(bytes));
    Ok(Line::new("read", parameters).measured(&measured).resident(target.resident()))
}

/// Posts the messages.
fn fill(target: &Target, channel: &str, author: User, messages: u32) -> Outcome<()> {
    let post = |number: u32| {
        let text = format!("{} ({number})", posts::text(usize::try_from(number).unwrap_or_default()));
        target.request("POST", "/api/messaging/submit", Some(&posts::submit(channel, author, &text)))
    };
    let lane = |writer: u32| {
        let requests: Vec<Vec<u8>> = (0..messages).filter(|number| number % WRITERS == writer).map(post).collect();
        Lane { requests: requests.into(), first: 0 }
    };
    let lanes: Vec<Lane> = (0..WRITERS).map(lane).filter(|lane| !lane.requests.is_empty()).collect();
    let expected = Expected { status: 201, contains: "" };
    let load = Load { extent: Extent::Once, ..target.load(lanes, expected) };
    let filled = put(&load)?;
    say(format!("{} messages are in the channel after {} s", filled.latencies.count(), rounded(filled.window.as_secs_f64())));
    if filled.latencies.count() == u64::from(messages) { Ok(()) } else { Err(Failure::new("the channel could not be filled")) }
}

/// The path of every page that begins before one of the channel's messages, shuffled: those of two messages in a row differ in
/// one message, and to the server are as different as any.
fn spread(api: &mut Api<'_>, channel: &str, path: &str) -> Outcome<Vec<String>> {
    let mut times: Vec<i64> = Vec::new();
    loop {
        let before = times.last().map(|time| format!("&before={time}")).unwrap_or_default();
        let body = api.body("GET", &format!("/api/messaging/central-channels/{channel}/messages?limit=1000{before}"), None)?;
        let page: Value = serde_json::from_slice(&body).unwrap_or_default();
        let messages = page.pointer("/data/messages").and_then(Value::as_array).cloned().unwrap_or_default();
        if messages.is_empty() {
            break;
        }
        times.extend(messages.iter().filter_map(|message| message.get("created_at").and_then(Value::as_i64)));
    }
    // The first message has none before it.
    times.pop();
    // By a number that shares no factor with most lengths, so that neighbours are far apart.
    let far = 7_919;
    let order = (0..times.len()).map(|place| place * far % times.len().max(1));
    Ok(order.filter_map(|place| times.get(place)).map(|time| format!("{path}&before={time}")).collect())
}

/// Whether a page is as long as it should be; returns its bytes.
fn check(api: &mut Api<'_>, path: &str, arguments: &ReadArgs) -> Outcome<usize> {
    let body = api.body("GET", path, None)?;
    let page: Value = serde_json::from_slice(&body).unwrap_or_default();
    let messages = page.pointer("/data/messages").and_then(Value::as_array).map_or(0, Vec::len);
    let expected = arguments.messages.min(arguments.page.into());
    if u32::try_from(messages) == Ok(expected) {
        return Ok(body.len());
    }
    Err(Failure::new(format!("{path} has {messages} messages, not {expected}")))
}

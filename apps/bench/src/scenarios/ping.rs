//! The cheapest request there is.

use serde_json::json;

use super::{beside_limit, lanes, put};
use crate::api::Api;
use crate::cli::{Common, PingArgs};
use crate::failure::Outcome;
use crate::figures::Line;
use crate::limits::http;
use crate::load::Expected;
use crate::target::Target;

/// Its route, which the bare handler has too.
pub(crate) const PATH: &str = "/api/server/ping";

/// A good answer to it.
pub(crate) const OK: Expected = Expected { status: 200, contains: "" };

pub(super) fn run(arguments: &PingArgs, common: &Common) -> Outcome<Line> {
    let target = Target::prepare(common)?;
    let connections = arguments.load.connections;
    let bytes = Api::open(&target)?.body("GET", PATH, None)?.len();
    let limit = |when| http::measure(common, connections, bytes, when);
    let before = arguments.limit.then(|| limit("before")).transpose()?;
    let load = target.load(lanes(connections, vec![target.request("GET", PATH, None)]), OK);
    let mut parameters = target.parameters();
    parameters.insert("connections".to_owned(), json!(connections));
    parameters.insert("bytes".to_owned(), json!(bytes));
    let line = Line::new("ping", parameters).measured(&put(&load)?).resident(target.resident());
    let after = arguments.limit.then(|| limit("after")).transpose()?;
    Ok(match (before, after) {
        (Some(before), Some(after)) => beside_limit(line, "http", &before, &after),
        _ => line,
    })
}

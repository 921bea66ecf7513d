//! `limits http`: the load of `ping` on the bare handler.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::cli::{Common, HttpLimitArgs};
use crate::failure::{During, Failure, Outcome, say};
use crate::figures::Line;
use crate::load;
use crate::machine;
use crate::scenarios::{OK, PING, lanes};
use crate::server::Process;
use crate::target::{self, parameters, workers};

pub(crate) fn run(arguments: &HttpLimitArgs, common: &Common) -> Outcome<Line> {
    measure(common, arguments.load.connections, arguments.bytes, "alone")
}

/// Starts the handler, puts the load on it and stops it. `when` is told to whoever watches.
pub(crate) fn measure(common: &Common, connections: u16, bytes: usize, when: &str) -> Outcome<Line> {
    let own = std::env::current_exe().during("finding this program")?;
    let mut command = Command::new(own);
    command.args(["bare-handler", "--bytes", &bytes.to_string(), "--workers", &workers(common).to_string()]);
    let handler = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::null()), "the bare handler")?;
    let (address, pid) = (handler.address(), handler.pid());
    let request = format!("GET {PING} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes();
    let load = target::load(common, address, Some(pid), lanes(connections, vec![request]), OK);
    let measured = load::run(&load)?;
    if let Some(why) = measured.said.first() {
        return Err(Failure::new(format!("the bare handler does not do its work: {why}")));
    }
    let mut parameters = parameters(common);
    parameters.insert("connections".to_owned(), json!(connections));
    parameters.insert("bytes".to_owned(), json!(bytes));
    let line = Line::new("limits http", parameters).measured(&measured).resident(machine::resident(pid).ok());
    say(format!("the bare handler, {when}: {} answers/s", line.rate_per_s.unwrap_or_default()));
    Ok(line)
}

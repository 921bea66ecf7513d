//! The scenarios: each prepares a server, puts a load on it and returns a line of figures.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::all;
use crate::cli::{Common, Limit, Scenario};
use crate::failure::{Outcome, say};
use crate::figures::{Line, rounded};
use crate::limits;
use crate::load::{self, Lane, Load, Measured};
use crate::report;

mod agents;
mod growth;
mod half_rate;
mod ingest;
mod memory;
mod overload;
mod ping;
mod read;
mod recall;
mod round_trip;
mod soak;
mod sockets;
mod start;
mod submit;
mod upload;

pub(crate) use ping::{OK, PATH as PING};

/// Runs a scenario; its line, or nothing for what prints its lines itself.
pub fn run(scenario: &Scenario, common: &Common) -> Outcome<Option<Line>> {
    match scenario {
        Scenario::Ping(arguments) => ping::run(arguments, common),
        Scenario::Agents(arguments) => agents::run(arguments, common),
        Scenario::Read(arguments) => read::run(arguments, common),
        Scenario::Submit(arguments) => submit::run(arguments, common),
        Scenario::RoundTrip(arguments) => round_trip::run(arguments, common),
        Scenario::Sockets(arguments) => sockets::run(arguments, common),
        Scenario::Upload(arguments) => upload::run(arguments, common),
        Scenario::Ingest(arguments) => ingest::run(arguments, common),
        Scenario::Start(arguments) => start::run(arguments, common),
        Scenario::Memory(arguments) => memory::run(arguments, common),
        Scenario::HalfRate(arguments) => half_rate::run(arguments, common),
        Scenario::Overload(arguments) => overload::run(arguments, common),
        Scenario::Soak(arguments) => soak::run(arguments, common),
        Scenario::Growth(arguments) => growth::run(arguments, common),
        Scenario::Recall(arguments) => recall::run(arguments, common),
        Scenario::Limits(Limit::Http(arguments)) => limits::http::run(arguments, common),
        Scenario::Limits(Limit::Sqlite(arguments)) => limits::sqlite::run(arguments, common),
        Scenario::RecallFill(arguments) => return recall::fill_here(arguments).map(|()| None),
        Scenario::All(arguments) => return all::run(arguments, common).map(|()| None),
        Scenario::Report(arguments) => return report::run(arguments, common).map(|()| None),
        Scenario::BareHandler(arguments) => return limits::handler::serve(arguments.bytes, common).map(|()| None),
    }
    .map(Some)
}

/// From which share of others on a run is worth a word.
const DISTURBED: f64 = 0.05;

/// Puts a load on a server, and tells its first errors.
fn put(load: &Load) -> Outcome<Measured> {
    let measured = load::run(load)?;
    for why in &measured.said {
        say(why);
    }
    if let Some(share) = measured.usage.others_share.filter(|share| *share > DISTURBED) {
        say(format!("other programs had {:.0} % of the processors meanwhile", share * 100.0));
    }
    Ok(measured)
}

/// As many lanes as there are connections, all of which send the same requests, each beginning at another one.
pub(crate) fn lanes(connections: u16, requests: Vec<Vec<u8>>) -> Vec<Lane> {
    let requests: Arc<[Vec<u8>]> = requests.into();
    let first = |connection: u16| usize::from(connection) % requests.len().max(1);
    (0..connections).map(|connection| Lane { requests: Arc::clone(&requests), first: first(connection) }).collect()
}

/// A limit that was measured before and after, and the share of it that was reached: by rate, which other programs on the
/// machine disturb, and by processor time, which they disturb less.
fn beside_limit(mut line: Line, what: &str, before: &Line, after: &Line) -> Line {
    // The run is as disturbed as its most disturbed part.
    line.others_share = [&line, before, after].into_iter().map(|part| part.others_share).reduce(|one, two| Some(one?.max(two?))).flatten();
    let cpu = cpu_us(before).zip(cpu_us(after)).map(|(before, after)| f64::midpoint(before, after));
    let cpu_ratio = cpu.zip(cpu_us(&line)).filter(|(_, line)| *line > 0.0).map(|(limit, line)| rounded(limit / line));
    let (before, after) = (before.rate_per_s.unwrap_or_default(), after.rate_per_s.unwrap_or_default());
    let middle = f64::midpoint(before, after);
    let ratio = line.rate_per_s.filter(|_| middle > 0.0).map(|rate| rounded(rate / middle));
    let limit = json!({ "what": what, "before_per_s": before, "after_per_s": after, "ratio": ratio, "cpu_ratio": cpu_ratio });
    line.with("limit", limit)
}

/// Processor time of both sides for each answer.
fn cpu_us(line: &Line) -> Option<f64> {
    let figure = |name| line.more.get(name).and_then(Value::as_f64);
    Some(figure("server_cpu_us")? + figure("generator_cpu_us")?)
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn line(rate: Option<f64>) -> Line {
        Line { rate_per_s: rate, ..Line::new("ping", Map::new()) }
    }

    #[test]
    fn lanes_share_their_requests_and_begin_at_different_ones() {
        let lanes = lanes(3, vec![b"a".to_vec(), b"b".to_vec()]);
        assert_eq!(lanes.iter().map(|lane| lane.first).collect::<Vec<_>>(), [0, 1, 0]);
        assert!(lanes.iter().all(|lane| Arc::ptr_eq(&lane.requests, &lanes[0].requests)));
    }

    #[test]
    fn a_share_of_a_limit_is_of_the_middle_of_before_and_after() {
        let line = beside_limit(line(Some(900.0)), "http", &line(Some(800.0)), &line(Some(1_200.0)));
        let json = line.json().unwrap();
        assert_eq!((json.pointer("/limit/ratio"), json.pointer("/limit/cpu_ratio")), (Some(&json!(0.9)), Some(&Value::Null)));
    }

    #[test]
    fn a_run_is_as_disturbed_as_its_most_disturbed_part() {
        let part = |others_share| Line { others_share, ..line(Some(1.0)) };
        for (limits, whole) in [((Some(0.3), Some(0.1)), Some(0.3)), ((Some(0.1), Some(0.1)), Some(0.2)), ((None, Some(0.1)), None)] {
            assert_eq!(beside_limit(part(Some(0.2)), "http", &part(limits.0), &part(limits.1)).others_share, whole, "{limits:?}");
        }
    }

    #[test]
    fn a_share_by_processor_time_is_of_both_sides() {
        let cpu =
            |server: f64, generator: f64| line(Some(1.0)).with("server_cpu_us", json!(server)).with("generator_cpu_us", json!(generator));
        let line = beside_limit(cpu(15.0, 5.0), "http", &cpu(10.0, 4.0), &cpu(12.0, 6.0));
        assert_eq!(line.json().unwrap().pointer("/limit/cpu_ratio"), Some(&json!(0.8)));
    }

    #[test]
    fn there_is_no_share_of_a_limit_of_nothing() {
        let line = beside_limit(line(Some(900.0)), "http", &line(None), &line(None));
        assert_eq!(line.json().unwrap().pointer("/limit/ratio"), Some(&Value::Null));
    }
}

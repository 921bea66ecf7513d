//! More of everything than the server can bear, and whether it still says how it is: submits, reads and replies that are waited for come
//! from many connections at once, while a monitor asks for its health. What it cannot take it must refuse at once, and say for how long.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant as Deadline, sleep, timeout, timeout_at};

use super::{lanes, round_trip, submit};
use crate::api::Api;
use crate::cli::{Common, OverloadArgs};
use crate::failure::{During, Failure, Outcome, say};
use crate::figures::{Latencies, Line, float, rounded};
use crate::load::{Lane, Pace, told};
use crate::target::Target;
use crate::wire::{Connection, WireError};

/// What the monitor asks for, and how often each.
const ASKED: [&str; 2] = ["/health", "/healthz"];
const EVERY: Duration = Duration::from_millis(20);
/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Who is refused asks again after this: sooner than they were told, but not in a circle without a breath.
const BREATH: Duration = Duration::from_millis(10);
/// The bar for the p99 of the monitor, in milliseconds.
const BAR: f64 = 50.0;
/// So many errors are told.
const TOLD: usize = 3;

pub(super) fn run(arguments: &OverloadArgs, common: &Common) -> Outcome<Line> {
    let target = Target::prepare(common)?;
    let flood = flood_of(&target, arguments)?;
    say(format!("{} connections ask for more than the server can bear", flood.len()));
    let begin = Instant::now() + Duration::from_secs_f64(common.warm_up);
    let end = begin + Duration::from_secs_f64(common.seconds);
    let requests = ASKED.map(|path| target.request("GET", path, None));
    let address = target.address();
    let (counts, monitored) = thread::scope(|scope| {
        let monitor = scope.spawn(|| monitor(address, &requests, begin, end));
        let counts = pour(address, &flood, end);
        (counts, monitor.join().unwrap_or_else(|_| Err(Failure::new("the monitor panicked"))))
    });
    let (counts, (latencies, wrong)) = (counts?, monitored?);
    for why in counts.said.iter().chain(&wrong) {
        say(why);
    }
    let mut parameters = target.parameters();
    parameters.insert("connections".to_owned(), json!(flood.len()));
    parameters.insert("waiting".to_owned(), json!(arguments.waiting));
    let mut line = Line::new("overload", parameters).latencies(&latencies).resident(target.resident());
    line.errors = counts.wrong + wrong.len() as u64;
    let seconds = (end - begin).as_secs_f64() + common.warm_up;
    let met = line.p99_ms.is_some_and(|p99| p99 < BAR) && counts.refused_mutely == 0;
    Ok(line
        .with("taken", json!(counts.taken))
        .with("taken_per_s", json!((seconds > 0.0).then(|| rounded(float(counts.taken) / seconds))))
        .with("refused", json!(counts.refused))
        .with("refused_without_time", json!(counts.refused_mutely))
        .judged(met))
}

/// What each connection of the flood sends.
fn flood_of(target: &Target, arguments: &OverloadArgs) -> Outcome<Vec<Lane>> {
    let connections = arguments.load.connections;
    let half = connections.div_ceil(2);
    let agent = Api::open(target)?.running_agent()?;
    let reads = vec![
        target.request("GET", &format!("/api/memory/agents/{agent}/memories?limit=50"), None),
        target.request("GET", "/api/agents", None),
    ];
    let mut flood = lanes(half, submit::requests(target, half, false)?);
    flood.extend(lanes(connections - half, submit::requests(target, half, true)?));
    flood.extend(lanes(half, reads));
    flood.extend(round_trip::lanes(target, arguments.waiting)?);
    Ok(flood)
}

/// What became of the flood's requests.
#[derive(Debug, Default)]
struct Counts {
    taken: u64,
    refused: u64,
    /// Refused without the time after which to ask again.
    refused_mutely: u64,
    /// Neither taken nor refused as they should be.
    wrong: u64,
    said: Vec<String>,
}

impl Counts {
    fn answered(&mut self, status: u16, retry_after: bool) {
        match status {
            200..300 => self.taken += 1,
            429 | 503 if retry_after => self.refused += 1,
            429 | 503 => self.refused_mutely += 1,
            _ => self.failed(format!("the server answered {status}")),
        }
    }

    fn failed(&mut self, why: String) {
        self.wrong += 1;
        if self.said.len() < TOLD {
            self.said.push(why);
        }
    }
}

/// Sends the flood until the end; what is still asked then counts for nothing.
fn pour(address: SocketAddr, flood: &[Lane], end: Instant) -> Outcome<Counts> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().during("starting the flood")?;
    let counts = RefCell::new(Counts::default());
    let poured = join_all(flood.iter().map(|lane| stream(address, lane, &counts)));
    // It has no end of its own.
    let _ = runtime.block_on(async { timeout_at(Deadline::from_std(end), poured).await });
    Ok(counts.into_inner())
}

/// One connection of the flood.
async fn stream(address: SocketAddr, lane: &Lane, counts: &RefCell<Counts>) {
    let mut open = None;
    for request in lane.requests.iter().cycle().skip(lane.first) {
        let mut connection = match open.take() {
            Some(connection) => connection,
            None => match Connection::open(address).await {
                Ok(connection) => connection,
                Err(error) => {
                    counts.borrow_mut().failed(told(&error));
                    sleep(BREATH).await;
                    continue;
                }
            },
        };
        let (last, breathe) = match connection.exchange(request).await {
            Ok(answer) => {
                counts.borrow_mut().answered(answer.status, answer.retry_after);
                (answer.last, answer.status >= 300)
            }
            Err(error) => {
                counts.borrow_mut().failed(told(&error));
                (true, true)
            }
        };
        open = (!last).then_some(connection);
        if breathe {
            sleep(BREATH).await;
        }
    }
}

/// Asks how the server is, on a thread that the flood does not hold up. Returns how long answers took, from when they were due, and what
/// went wrong.
fn monitor(address: SocketAddr, requests: &[Vec<u8>], begin: Instant, end: Instant) -> Outcome<(Latencies, Vec<String>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().during("starting the monitor")?;
    let monitor = Rc::new(Monitor { address, begin, idle: RefCell::default(), seen: RefCell::new((Latencies::new(), Vec::new())) });
    let asking = requests.iter().enumerate().map(|(place, request)| {
        let (request, mut pace, monitor) = (Rc::from(request.as_slice()), Pace::new(EVERY, place, requests.len()), Rc::clone(&monitor));
        async move {
            loop {
                let due = pace.next().await;
                if Instant::now() >= end {
                    break;
                }
                // None waits for the answer to the one before: a slow answer would be counted for all that it kept.
                spawn_local(Rc::clone(&monitor).ask(Rc::clone(&request), due));
            }
        }
    });
    let asked = LocalSet::new();
    runtime.block_on(asked.run_until(join_all(asking)));
    runtime.block_on(asked);
    Ok(monitor.seen.replace((Latencies::new(), Vec::new())))
}

/// Who asks how the server is.
struct Monitor {
    address: SocketAddr,
    /// What is due before that is not counted.
    begin: Instant,
    /// Connections on which nothing is asked at present.
    idle: RefCell<Vec<Connection>>,
    seen: RefCell<(Latencies, Vec<String>)>,
}

impl Monitor {
    async fn ask(self: Rc<Self>, request: Rc<[u8]>, due: Instant) {
        let asked = timeout(PATIENCE, async {
            let idle = self.idle.borrow_mut().pop();
            let mut connection = match idle {
                Some(connection) => connection,
                None => Connection::open(self.address).await?,
            };
            let answer = connection.exchange(&request).await?;
            let (status, last) = (answer.status, answer.last);
            if !last {
                self.idle.borrow_mut().push(connection);
            }
            Ok::<u16, WireError>(status)
        });
        let told = match asked.await {
            Ok(Ok(200)) => None,
            Ok(Ok(status)) => Some(format!("the monitor was answered with {status}")),
            Ok(Err(error)) => Some(format!("the monitor had no answer: {}", told(&error))),
            Err(_) => Some(format!("the monitor had no answer within {} s", PATIENCE.as_secs())),
        };
        let mut seen = self.seen.borrow_mut();
        match told {
            Some(why) => seen.1.push(why),
            None if due >= self.begin => seen.0.record(due.elapsed()),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_must_say_when_to_come_back_and_anything_else_is_wrong() {
        let mut counts = Counts::default();
        for (status, retry_after) in [(201, false), (200, false), (503, true), (429, true), (503, false), (500, true), (404, false)] {
            counts.answered(status, retry_after);
        }
        assert_eq!((counts.taken, counts.refused, counts.refused_mutely, counts.wrong), (2, 2, 1, 2));
        assert_eq!(counts.said, ["the server answered 500", "the server answered 404"]);
    }
}

//! The load loop: some connections, each of which sends the next request when the last one is answered, for a while that is
//! warm-up and a while that is measured. Every scenario and every HTTP limit is this loop.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use memchr::memmem;
use tokio::time::{Instant as Deadline, timeout_at};

use crate::failure::{During, Failure, Outcome};
use crate::figures::Latencies;
use crate::meter::{Meter, Usage};
use crate::wire::{Answer, Connection, WireError};

/// After so many errors nothing is measured any more.
const MAX_ERRORS: u64 = 100;

/// So many errors are told.
const TOLD: usize = 3;

/// How long an answer may take; also how long after the end of the measuring the last ones may come.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long sending a fixed number of requests may take.
const LONG_PATIENCE: Duration = Duration::from_mins(10);

/// Characters of an answer that are shown where it is an error.
const SHOWN: usize = 300;

/// What one connection sends.
#[derive(Debug, Clone)]
pub struct Lane {
    /// The requests, complete, one after the other and again from the beginning.
    pub requests: Arc<[Vec<u8>]>,
    /// With which of them it begins.
    pub first: usize,
}

/// What a good answer is.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// Its status code.
    pub status: u16,
    /// What must be in its body.
    pub contains: &'static str,
}

/// For how long a load is put on the server.
#[derive(Debug, Clone, Copy)]
pub enum Extent {
    /// For a time that is not measured and then for one that is.
    For {
        /// Not measured: connections are opened, caches filled.
        warm_up: Duration,
        /// Measured.
        measured: Duration,
    },
    /// Until every lane has sent each of its requests once; all of that is measured.
    Once,
}

/// A load.
#[derive(Debug)]
pub struct Load {
    /// The server.
    pub address: SocketAddr,
    /// Its process, where that is on this machine.
    pub pid: Option<u32>,
    /// One for each connection.
    pub lanes: Vec<Lane>,
    /// What a good answer is.
    pub expected: Expected,
    /// For how long.
    pub extent: Extent,
    /// Threads of the generator.
    pub threads: usize,
    /// How long after its last request each connection sends the next one; at once after the answer where nothing is said. What waits for
    /// a late answer is measured from the moment at which it should have been sent.
    pub pace: Option<Duration>,
}

/// What came of a load.
#[derive(Debug)]
pub struct Measured {
    /// From sending to the whole answer, of good answers within the time that is measured.
    pub latencies: Latencies,
    /// Bad answers and requests without one, at any time.
    pub errors: u64,
    /// The first of them.
    pub said: Vec<String>,
    /// The time that is measured.
    pub window: Duration,
    /// Processor time within it.
    pub usage: Usage,
}

/// Puts a load on the server and measures.
pub fn run(load: &Load) -> Outcome<Measured> {
    let start = Instant::now();
    let span = Span::of(load.extent, start);
    let share = load.lanes.len().div_ceil(load.threads.max(1)).max(1);
    let mut usage = Usage::default();
    let tallies: Vec<Outcome<Tally>> = thread::scope(|scope| {
        let shares = load.lanes.chunks(share).map(|lanes| scope.spawn(move || generate(load, lanes, span)));
        let threads: Vec<_> = shares.collect();
        if let Some(Window { begin, end }) = span.window {
            sleep_until(begin);
            let before = Meter::read(load.pid);
            sleep_until(end);
            usage = Meter::read(load.pid).since(before, end - begin, true);
        }
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(Failure::new("the generator panicked")))).collect()
    });
    let mut whole = Tally::new();
    for tally in tallies {
        whole.add(tally?)?;
    }
    let window = span.window.map_or_else(|| start.elapsed(), |window| window.end - window.begin);
    let Tally { latencies, errors, said } = whole;
    Ok(Measured { latencies, errors, said, window, usage })
}

fn sleep_until(moment: Instant) {
    thread::sleep(moment.saturating_duration_since(Instant::now()));
}

/// The time that is measured.
#[derive(Debug, Clone, Copy)]
struct Window {
    begin: Instant,
    end: Instant,
}

/// When a load is measured and when it is given up. Without a window it ends with its requests, and all of it counts.
#[derive(Debug, Clone, Copy)]
struct Span {
    window: Option<Window>,
    give_up: Instant,
}

impl Span {
    fn of(extent: Extent, start: Instant) -> Self {
        match extent {
            Extent::For { warm_up, measured } => {
                let begin = start + warm_up;
                let end = begin + measured;
                Self { window: Some(Window { begin, end }), give_up: end + PATIENCE }
            }
            Extent::Once => Self { window: None, give_up: start + LONG_PATIENCE },
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.window.is_some_and(|window| now >= window.end)
    }

    /// Whether what is complete at this moment counts.
    fn holds(&self, done: Instant) -> bool {
        self.window.is_none_or(|window| done >= window.begin && done < window.end)
    }
}

/// What a thread has seen.
#[derive(Debug)]
struct Tally {
    latencies: Latencies,
    errors: u64,
    said: Vec<String>,
}

impl Tally {
    fn new() -> Self {
        Self { latencies: Latencies::new(), errors: 0, said: Vec::new() }
    }

    fn failed(&mut self, why: impl FnOnce() -> String) {
        self.errors += 1;
        if self.said.len() < TOLD {
            self.said.push(why());
        }
    }

    fn add(&mut self, other: Self) -> Outcome<()> {
        self.latencies.add(&other.latencies)?;
        self.errors += other.errors;
        let room = TOLD.saturating_sub(self.said.len());
        self.said.extend(other.said.into_iter().take(room));
        Ok(())
    }
}

/// The part of a thread: its lanes, all at once.
fn generate(load: &Load, lanes: &[Lane], span: Span) -> Outcome<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().during("starting the generator")?;
    let tally = RefCell::new(Tally::new());
    let driven = join_all(lanes.iter().enumerate().map(|(place, lane)| {
        let pace = load.pace.map(|every| Pace::new(every, place, lanes.len()));
        drive(load, lane, pace, span, &tally)
    }));
    if runtime.block_on(async { timeout_at(Deadline::from_std(span.give_up), driven).await }).is_err() {
        tally.borrow_mut().failed(|| "some requests were never answered".to_owned());
    }
    Ok(tally.into_inner())
}

/// The part of a connection. Requests are sent one after the other, so a slow answer delays the ones after it, as it does
/// with a client that waits.
async fn drive(load: &Load, lane: &Lane, mut pace: Option<Pace>, span: Span, tally: &RefCell<Tally>) {
    let mut requests = lane.requests.iter().cycle().skip(lane.first);
    let mut left = if span.window.is_some() { usize::MAX } else { lane.requests.len() };
    let mut open = None;
    while left > 0 && tally.borrow().errors < MAX_ERRORS {
        let Some(request) = requests.next() else { return };
        left -= 1;
        let mut connection = match open.take() {
            Some(connection) => connection,
            None => match Connection::open(load.address).await {
                Ok(connection) => connection,
                Err(error) => {
                    tally.borrow_mut().failed(|| told(&error));
                    continue;
                }
            },
        };
        let sent = match &mut pace {
            Some(pace) => pace.next().await,
            None => Instant::now(),
        };
        if span.is_over(Instant::now()) {
            return;
        }
        let last = match connection.exchange(request).await {
            Ok(answer) => {
                let done = Instant::now();
                let mut tally = tally.borrow_mut();
                match judged(&answer, load.expected) {
                    Ok(()) if span.holds(done) => tally.latencies.record(done - sent),
                    Ok(()) => {}
                    Err(why) => tally.failed(|| why),
                }
                answer.last
            }
            Err(error) => {
                tally.borrow_mut().failed(|| told(&error));
                true
            }
        };
        open = (!last).then_some(connection);
    }
}

/// When a connection sends, where that does not depend on the answers.
pub(crate) struct Pace {
    every: Duration,
    due: Instant,
}

impl Pace {
    /// The connections begin one after the other, evenly over the time between two requests of one of them.
    pub(crate) fn new(every: Duration, place: usize, of: usize) -> Self {
        let share = u32::try_from(place % of.max(1)).unwrap_or_default();
        Self { every, due: Instant::now() + every * share / u32::try_from(of.max(1)).unwrap_or(1) }
    }

    /// Waits until a request is due; from when on it is measured.
    pub(crate) async fn next(&mut self) -> Instant {
        let (due, now) = (self.due, Instant::now());
        self.due += self.every;
        if due <= now {
            return due;
        }
        tokio::time::sleep_until(Deadline::from_std(due)).await;
        // The timer wakes up to a millisecond late, which is no one's waiting.
        Instant::now()
    }
}

/// Whether an answer is a good one; else why not.
fn judged(answer: &Answer<'_>, expected: Expected) -> Result<(), String> {
    let contains = || memmem::find(answer.body, expected.contains.as_bytes()).is_some();
    if answer.status == expected.status && contains() {
        return Ok(());
    }
    let body = String::from_utf8_lossy(answer.body);
    let shown: String = body.chars().take(SHOWN).collect();
    let advice = if answer.status == 429 { " (its rate limit is on; start it with RATE_LIMIT_MAX=0)" } else { "" };
    let wanted = if expected.contains.is_empty() { String::new() } else { format!(" with {:?} in its body", expected.contains) };
    Err(format!("the server answered {}{advice}, not {}{wanted}: {shown}", answer.status, expected.status))
}

pub(crate) fn told(error: &WireError) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
    const OK: Expected = Expected { status: 200, contains: "" };

    /// A server that answers with these in turn on each connection, and closes after the last; for ever.
    fn answering(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let mut request = [0; REQUEST.len()];
                    for answer in answers {
                        if stream.read_exact(&mut request).is_err() || stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    fn load(address: SocketAddr, requests: usize, connections: usize) -> Load {
        let requests: Arc<[Vec<u8>]> = vec![REQUEST.to_vec(); requests].into();
        let lanes = (0..connections).map(|first| Lane { requests: Arc::clone(&requests), first }).collect();
        Load { address, pid: None, lanes, expected: OK, extent: Extent::Once, threads: 2, pace: None }
    }

    #[test]
    fn every_request_is_sent_once_and_every_good_answer_counts() {
        let address = answering(&["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"; 50]);
        let measured = run(&load(address, 40, 3)).unwrap();
        assert_eq!((measured.latencies.count(), measured.errors), (120, 0), "{:?}", measured.said);
    }

    #[test]
    fn a_server_that_says_it_closes_is_no_error_and_one_that_just_closes_is() {
        let closing = answering(&["HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"]);
        let measured = run(&load(closing, 3, 1)).unwrap();
        assert_eq!((measured.latencies.count(), measured.errors), (3, 0), "{:?}", measured.said);
        let rude = answering(&["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]);
        let measured = run(&load(rude, 3, 1)).unwrap();
        assert_eq!((measured.latencies.count(), measured.errors), (2, 1), "{:?}", measured.said);
    }

    #[test]
    fn refusals_count_as_errors_and_end_the_run_early() {
        let address = answering(&["HTTP/1.1 429 Too Many Requests\r\ncontent-length: 4\r\n\r\nwait"; 200]);
        let measured = run(&load(address, 500, 1)).unwrap();
        assert_eq!((measured.latencies.count(), measured.errors), (0, MAX_ERRORS));
        assert_eq!(measured.said.len(), TOLD);
        assert!(measured.said[0].contains("answered 429") && measured.said[0].contains("RATE_LIMIT_MAX=0"), "{:?}", measured.said);
    }

    #[test]
    fn an_answer_without_what_it_must_contain_is_an_error() {
        let answer = |body| Answer { status: 201, body, last: false, retry_after: false };
        let expected = Expected { status: 201, contains: "\"agentResponse\"" };
        assert!(judged(&answer(b"{\"agentResponse\":{}}"), expected).is_ok());
        assert!(judged(&answer(b"{}"), expected).unwrap_err().contains("with \"\\\"agentResponse\\\"\" in its body: {}"));
    }

    #[test]
    fn a_pace_is_kept_and_what_is_late_counts_from_when_it_was_due() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let every = Duration::from_millis(20);
        let began = Instant::now();
        let mut pace = Pace::new(every, 1, 2);
        let moments: Vec<Instant> = (0..3).map(|_| runtime.block_on(pace.next())).collect();
        assert!(moments[2] - began >= every * 5 / 2, "{moments:?} after {began:?}");
        thread::sleep(every * 3);
        let late = runtime.block_on(pace.next());
        assert!(late + every < Instant::now(), "it is measured from when it was due");
    }

    #[test]
    fn a_server_that_is_not_there_is_told() {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let measured = run(&load(gone, 2, 1)).unwrap();
        assert_eq!((measured.latencies.count(), measured.errors), (0, 2));
        assert!(measured.said[0].starts_with("the connection failed: "), "{:?}", measured.said);
    }

    #[test]
    fn what_is_complete_outside_the_window_does_not_count() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let span = Span::of(Extent::For { warm_up: second, measured: second }, start);
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        assert_eq!([0.5, 1.0, 1.9, 2.0].map(|moment| span.holds(at(moment))), [false, true, true, false]);
        assert_eq!([1.9, 2.0].map(|moment| span.is_over(at(moment))), [false, true]);
        let once = Span::of(Extent::Once, start);
        assert!(once.holds(at(0.0)) && !once.is_over(at(1000.0)));
    }
}

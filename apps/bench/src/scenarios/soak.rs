//! Everything at once for a long time: whether the server's memory, open files and threads stay as they are.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{round_trip, sockets};
use crate::api::Api;
use crate::cli::{Common, SoakArgs};
use crate::failure::{During, Failure, Outcome, say};
use crate::figures::{Line, float, mib, rate, rounded};
use crate::limits::files;
use crate::machine;
use crate::posts::{self, User};
use crate::target::Target;

/// The part of the time after which memory counts: caches are full by then.
const WARM_UP: f64 = 0.2;
/// How far memory may grow from the first third after that to the last.
const GROWTH: f64 = 1.1;
/// How many files and threads more may be open at some moment: what is at work at once varies by so many.
const SLACK: u64 = 16;
/// How long a job may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an upload.
const UPLOAD: usize = 64 * 1024;
/// Direct channels with the agent.
const TALKS: u32 = 32;
/// So many errors are told, and at so many it ends.
const TOLD: usize = 5;
const MAX_ERRORS: u64 = 100;

/// What there is to do it on.
struct Ground<'t> {
    target: &'t Target,
    agent: String,
    /// A channel that many hear.
    room: String,
    /// The paths of direct channels with the agent, and whose they are.
    talks: Vec<(String, User)>,
    /// A form with a file.
    upload: Vec<u8>,
}

/// Something that somebody does again and again.
struct Habit {
    name: &'static str,
    every: Duration,
    act: fn(&mut Api<'_>, &Ground<'_>, u32) -> Outcome<()>,
}

const HABITS: [Habit; 10] = [
    Habit { name: "talks", every: Duration::from_millis(20), act: talk },
    Habit { name: "posts", every: Duration::from_millis(20), act: post },
    Habit { name: "reads", every: Duration::from_millis(10), act: read },
    Habit { name: "searches", every: Duration::from_millis(50), act: search },
    Habit { name: "sockets", every: Duration::from_millis(50), act: visit },
    Habit { name: "sessions", every: Duration::from_millis(200), act: session },
    Habit { name: "jobs", every: Duration::from_millis(200), act: job },
    Habit { name: "uploads", every: Duration::from_secs(1), act: upload },
    Habit { name: "agents", every: Duration::from_millis(500), act: agent },
    Habit { name: "forgotten", every: Duration::from_secs(1), act: forget },
];

/// What the server had at a moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    rss_mib: f64,
    descriptors: u64,
    threads: u64,
}

/// How it went so far.
#[derive(Default)]
struct Progress {
    ended: AtomicBool,
    done: [AtomicU64; HABITS.len()],
    errors: AtomicU64,
    said: Mutex<Vec<String>>,
}

pub(super) fn run(arguments: &SoakArgs, common: &Common) -> Outcome<Line> {
    let target = Target::prepare(common)?;
    let pid =
        target.pid().ok_or_else(|| Failure::new("the server's process is not known, so there is nothing to watch: name it with --pid"))?;
    let mut api = Api::open(&target)?;
    let agent = api.running_agent()?;
    let room = api.channel("Bench soak", "GROUP", &[&User(0).to_string()])?;
    let upload = target.form(&format!("/api/media/agents/{agent}/upload-media"), "soak.png", "image/png", &files::of_bytes(UPLOAD));
    let talks = (0..TALKS).map(|number| round_trip::channel(&mut api, &agent, user(number))).collect::<Outcome<_>>()?;
    let ground = Ground { target: &target, agent, room, talks, upload };
    let progress = Progress::default();
    let (length, interval) = (Duration::from_secs_f64(arguments.minutes * 60.0), Duration::from_secs_f64(arguments.interval));
    let began = Instant::now();
    let samples = thread::scope(|scope| {
        for (habit, done) in HABITS.iter().zip(&progress.done) {
            let (ground, progress) = (&ground, &progress);
            scope.spawn(move || keep(habit, done, ground, progress));
        }
        let samples = watch(pid, began + length, interval, &progress);
        progress.ended.store(true, Ordering::Relaxed);
        samples
    })?;
    let took = began.elapsed();
    let done: u64 = progress.done.iter().map(|done| done.load(Ordering::Relaxed)).sum();
    let mut parameters = target.parameters();
    parameters.retain(|name, _| name != "seconds" && name != "warm_up_seconds");
    parameters.insert("minutes".to_owned(), json!(arguments.minutes));
    let mut line = Line::new("soak", parameters).resident(target.resident());
    line.answers = done;
    line.errors = progress.errors.load(Ordering::Relaxed);
    line.rate_per_s = Some(rate(done, took));
    for (habit, done) in HABITS.iter().zip(&progress.done) {
        line = line.with(habit.name, json!(done.load(Ordering::Relaxed)));
    }
    Ok(verdict(line, &samples))
}

/// Tells what the server has, again and again, until the end or until too much went wrong.
fn watch(pid: u32, end: Instant, interval: Duration, progress: &Progress) -> Outcome<Vec<Sample>> {
    let mut samples = Vec::new();
    while Instant::now() < end && progress.errors.load(Ordering::Relaxed) < MAX_ERRORS {
        thread::sleep(interval.min(end.saturating_duration_since(Instant::now())));
        let resident = machine::resident(pid).map_err(Failure::new)?;
        let counted = machine::descriptors(pid).zip(machine::threads(pid));
        let (descriptors, threads) = counted.ok_or_else(|| Failure::new("the server's files and threads cannot be counted"))?;
        let sample = Sample { rss_mib: mib(resident.now), descriptors, threads };
        let done: u64 = progress.done.iter().map(|done| done.load(Ordering::Relaxed)).sum();
        say(format!("{} MiB, {descriptors} files, {threads} threads after {done} doings", sample.rss_mib));
        samples.push(sample);
    }
    Ok(samples)
}

/// Does one thing again and again.
fn keep(habit: &Habit, done: &AtomicU64, ground: &Ground<'_>, progress: &Progress) {
    let mut api = None;
    let mut turn = 0;
    while !progress.ended.load(Ordering::Relaxed) {
        let due = Instant::now() + habit.every;
        let outcome = match api.take() {
            Some(api) => Ok(api),
            None => Api::open(ground.target),
        };
        let outcome = outcome.and_then(|mut api| (habit.act)(&mut api, ground, turn).map(|()| api));
        match outcome {
            Ok(kept) => {
                api = Some(kept);
                done.fetch_add(1, Ordering::Relaxed);
            }
            Err(failure) => {
                progress.errors.fetch_add(1, Ordering::Relaxed);
                let mut said = progress.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if said.len() < TOLD {
                    let story = format!("{}: {}", habit.name, failure.story());
                    say(&story);
                    said.push(story);
                }
            }
        }
        turn += 1;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// A user of a habit: another one for each of some turns, so that their number stays as it is.
const fn user(turn: u32) -> User {
    User(1_000 + turn % 50)
}

fn words(turn: u32) -> &'static str {
    posts::text(usize::try_from(turn).unwrap_or_default())
}

/// Has a reply from the agent.
fn talk(api: &mut Api<'_>, ground: &Ground<'_>, turn: u32) -> Outcome<()> {
    let (path, user) = place(&ground.talks, turn)?;
    let answer = api.call("POST", path, Some(&posts::to_agent(*user, &ground.agent, words(turn))))?;
    if answer.pointer("/agentResponse").is_some_and(Value::is_object) { Ok(()) } else { Err(missing("a reply", &answer)) }
}

/// Tells all in the room something.
fn post(api: &mut Api<'_>, ground: &Ground<'_>, turn: u32) -> Outcome<()> {
    api.call("POST", "/api/messaging/submit", Some(&posts::submit(&ground.room, user(turn), words(turn)))).map(drop)
}

fn place(talks: &[(String, User)], turn: u32) -> Outcome<&(String, User)> {
    let place = usize::try_from(turn).unwrap_or_default() % talks.len().max(1);
    talks.get(place).ok_or_else(|| Failure::new("nobody talks"))
}

fn read(api: &mut Api<'_>, ground: &Ground<'_>, _turn: u32) -> Outcome<()> {
    api.body("GET", &format!("/api/messaging/central-channels/{}/messages?limit=50", ground.room), None).map(drop)
}

fn search(api: &mut Api<'_>, ground: &Ground<'_>, turn: u32) -> Outcome<()> {
    let path = format!("/api/memory/agents/{}/search", ground.agent);
    api.call("POST", &path, Some(&json!({ "query": words(turn), "limit": 10 }))).map(drop)
}

/// Comes into the room by a websocket, and leaves.
fn visit(_api: &mut Api<'_>, ground: &Ground<'_>, turn: u32) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().during("starting a client")?;
    runtime.block_on(async {
        let mut socket = sockets::open(ground.target.address(), user(turn)).await?;
        sockets::join(&mut socket, &ground.room).await
    })
}

fn session(api: &mut Api<'_>, ground: &Ground<'_>, turn: u32) -> Outcome<()> {
    let path = "/api/messaging/sessions";
    let opened = api.call("POST", path, Some(&json!({ "agentId": ground.agent, "userId": user(turn).to_string() })))?;
    let id = opened.get("sessionId").and_then(Value::as_str).ok_or_else(|| missing("a session", &opened))?;
    api.call("POST", &format!("{path}/{id}/messages"), Some(&json!({ "content": words(turn) })))?;
    api.body("DELETE", &format!("{path}/{id}"), None).map(drop)
}

fn job(api: &mut Api<'_>, ground: &Ground<'_>, turn: u32) -> Outcome<()> {
    let path = "/api/messaging/jobs";
    let asked = json!({ "agentId": ground.agent, "userId": user(turn).to_string(), "content": words(turn) });
    let ticket = api.call("POST", path, Some(&asked))?;
    let id = ticket.get("jobId").and_then(Value::as_str).ok_or_else(|| missing("a job", &ticket))?;
    let end = Instant::now() + PATIENCE;
    loop {
        let state = api.call("GET", &format!("{path}/{id}"), None)?;
        match state.get("status").and_then(Value::as_str) {
            Some("completed") => return Ok(()),
            Some("pending" | "processing") if Instant::now() < end => thread::sleep(Duration::from_millis(20)),
            _ => return Err(missing("the answer of a job", &state)),
        }
    }
}

fn upload(api: &mut Api<'_>, ground: &Ground<'_>, _turn: u32) -> Outcome<()> {
    api.send(&ground.upload, "to upload").map(drop)
}

fn agent(api: &mut Api<'_>, _ground: &Ground<'_>, turn: u32) -> Outcome<()> {
    let id = api.start_agent(&format!("Soak {turn}"))?;
    api.body("DELETE", &format!("/api/agents/{id}"), None).map(drop)
}

/// Has the agent forget a person. All vectors are in memory, so that memory would grow with what there is to remember, and say nothing.
fn forget(api: &mut Api<'_>, ground: &Ground<'_>, turn: u32) -> Outcome<()> {
    let path = format!("/api/memory/agents/{}/memories?source=author:{}", ground.agent, user(turn));
    api.body("DELETE", &path, None).map(drop)
}

fn missing(what: &str, answer: &Value) -> Failure {
    Failure::new(format!("an answer is without {what}: {answer}"))
}

/// The line with what the server had in the first third after the warm-up and in the last.
fn verdict(line: Line, samples: &[Sample]) -> Line {
    let warm = samples.get(skipped(samples.len())..).unwrap_or_default();
    let third = warm.len().div_ceil(3);
    let (first, last) = (warm.get(..third).unwrap_or_default(), warm.get(warm.len() - third..).unwrap_or_default());
    if first.is_empty() {
        return line.judged(false);
    }
    let mean = |part: &[Sample]| part.iter().map(|sample| sample.rss_mib).sum::<f64>() / float(part.len() as u64);
    let most = |part: &[Sample], of: fn(&Sample) -> u64| part.iter().map(of).max().unwrap_or_default();
    let ratio = mean(last) / mean(first);
    let files = [first, last].map(|part| most(part, |sample| sample.descriptors));
    let threads = [first, last].map(|part| most(part, |sample| sample.threads));
    let steady = |[first, last]: [u64; 2]| last <= first + SLACK;
    let line = line.with("rss_first_mib", json!(rounded(mean(first)))).with("rss_last_mib", json!(rounded(mean(last))));
    let line = line.with("rss_ratio", json!(rounded(ratio))).with("descriptors", json!(files)).with("server_threads", json!(threads));
    line.judged(ratio <= GROWTH && steady(files) && steady(threads))
}

/// How many samples are of the warm-up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count of samples")]
fn skipped(samples: usize) -> usize {
    (float(samples as u64) * WARM_UP) as usize
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn met(samples: &[(f64, u64)]) -> Value {
        let samples: Vec<Sample> =
            samples.iter().map(|(rss_mib, descriptors)| Sample { rss_mib: *rss_mib, descriptors: *descriptors, threads: 9 }).collect();
        verdict(Line::new("soak", Map::new()), &samples).json().unwrap()["met"].clone()
    }

    #[test]
    fn what_grows_after_the_warm_up_is_told_and_what_grows_in_it_is_not() {
        let steady = |_| (50.0, 40);
        assert_eq!(met(&(0..10).map(steady).collect::<Vec<_>>()), json!(true));
        let warming = |n: u32| if n < 2 { (20.0, 10) } else { (50.0, 40) };
        assert_eq!(met(&(0..10).map(warming).collect::<Vec<_>>()), json!(true));
        let memory = |n: u32| (50.0 + f64::from(n) * 2.0, 40);
        assert_eq!(met(&(0..10).map(memory).collect::<Vec<_>>()), json!(false));
        let files = |n: u32| (50.0, 40 + u64::from(n) * 5);
        assert_eq!(met(&(0..10).map(files).collect::<Vec<_>>()), json!(false));
        assert_eq!(met(&[]), json!(false));
    }
}

//! Doing what a case says.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::{Value, json};
use testkit::caller::{Caller, Request};
use tokio::time::{Instant, sleep};

use crate::answer::Answer;
use crate::case::{Case, Expect, KeySent, Read, Step, Target};
use crate::judge::{Asked, judge};
use crate::request;
use crate::scope::{Scope, names, names_in_text};
use crate::world::{DEFAULT_SERVER, World};

/// The first pause before something is asked again; each is half as long again as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// Pages that are read at most; a server that never ends is stopped here.
const MOST_PAGES: usize = 50;

/// Runs a case; says which step failed and why.
pub async fn run(world: &World, area: usize, case: &Case) -> Result<(), String> {
    let mut running = Running { world, area, scope: Scope::default() };
    let outcome = running.all(case).await;
    running.end().await;
    outcome
}

struct Running<'w> {
    world: &'w World,
    area: usize,
    scope: Scope,
}

impl Running<'_> {
    async fn all(&mut self, case: &Case) -> Result<(), String> {
        self.begin(case).await?;
        for (index, step) in case.steps.iter().enumerate() {
            if step.only.is_none_or(|only| only == self.world.target) {
                self.step(step).await.map_err(|why| format!("step {}, {}: {why}", index + 1, step.request))?;
            }
        }
        Ok(())
    }

    /// Stops the agent that was started for the case, so that a long run is not slowed down by agents that nobody needs.
    async fn end(&self) {
        if let Some(id) = self.scope.get("AO").and_then(Value::as_str) {
            self.world.stop(&self.world.caller(self.area, KeySent::Right), id).await;
        }
    }

    async fn begin(&mut self, case: &Case) -> Result<(), String> {
        let nonce = self.world.uuid();
        self.scope.set("n", nonce.get(28..).unwrap_or_default().into());
        self.scope.set("S", DEFAULT_SERVER.into());
        self.scope.set("plugins", self.world.plugins());
        for name in ["U", "U2", "X"] {
            self.scope.set(name, self.world.uuid().into());
        }
        if let Some(key) = &self.world.key {
            self.scope.set("key", key.as_str().into());
        }
        if let Some(limit) = self.world.limit {
            self.scope.set("limit", limit.into());
            self.scope.set("enough", limit.saturating_mul(2).into());
        }
        let mut wanted = BTreeSet::new();
        case.given.iter().try_for_each(|text| names_in_text(text, &mut wanted))?;
        self.fixtures(&wanted).await
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        let target = self.world.target;
        let mut wanted = BTreeSet::new();
        request::texts(step, target).iter().try_for_each(|text| names(text, &mut wanted))?;
        self.fixtures(&wanted).await?;
        let expected = step.expected(target);
        if let Some(seconds) = expected.after {
            sleep(Duration::from_secs_f64(seconds)).await;
        }
        let answers = self.answers(step).await?;
        for path in &expected.same {
            let values: BTreeSet<String> = answers.iter().map(|answer| crate::pattern::shown(answer.value(path).as_ref())).collect();
            if values.len() != 1 {
                return Err(format!(
                    "{path} should be the same in all answers, and is {}",
                    values.into_iter().collect::<Vec<_>>().join(", ")
                ));
            }
        }
        self.keep(step, answers.last())
    }

    async fn answers(&self, step: &Step) -> Result<Vec<Answer>, String> {
        if let Some(count) = step.together {
            return try_join_all((1..=count).map(|number| self.once(step, number))).await;
        }
        let mut answers = Vec::new();
        for number in 1..=step.repeat.unwrap_or(1) {
            answers.push(self.once(step, number).await?);
        }
        Ok(answers)
    }

    fn keep(&mut self, step: &Step, answer: Option<&Answer>) -> Result<(), String> {
        for (name, path) in &step.keep {
            match answer.and_then(|answer| answer.value(path)) {
                Some(value) => self.scope.set(name, value),
                // Where the reference does otherwise there may be nothing to keep.
                None if step.is_otherwise(self.world.target) => {}
                None => return Err(format!("there is no {path} to keep")),
            }
        }
        Ok(())
    }

    /// Makes the fixtures among these names that are not there yet.
    async fn fixtures(&mut self, wanted: &BTreeSet<String>) -> Result<(), String> {
        for name in wanted {
            if self.scope.get(name).is_some() {
                continue;
            }
            let caller = self.world.caller(self.area, KeySent::Right);
            let made = match name.as_str() {
                "A" => self.world.agent(&caller).await?,
                "AO" => {
                    let id = self.world.agent(&caller).await?;
                    self.world.start(&caller, &id).await?;
                    id
                }
                "AR" => self.world.shared_agent().await?,
                "C" => self.channel(&caller, "GROUP").await?,
                "D" => self.channel(&caller, "DM").await?,
                _ => continue,
            };
            self.scope.set(name, made.into());
        }
        Ok(())
    }

    async fn channel(&self, caller: &Caller, kind: &str) -> Result<String, String> {
        let person = self.scope.text("$U")?;
        let agent = self.world.shared_agent().await?;
        self.world.channel(caller, kind, &person, &agent).await
    }

    /// One repetition: asked until the answer is as expected, where there is time for that.
    async fn once(&self, step: &Step, number: usize) -> Result<Answer, String> {
        let mut scope = self.scope.clone();
        scope.set("i", number.into());
        let expect = request::filled(step.expected(self.world.target), &scope)?;
        let (method, path) = request::line(step, &scope)?;
        let request = request::build(step, &method, &path, &scope)?;
        let caller = self.world.caller(self.area, step.key);
        let asked = Asked { target: self.world.target, path: &path };
        let mut patience = Patience::of(step, &expect, &scope)?;
        loop {
            let answer = self.read(step, &caller, request.clone(), &path).await?;
            match judge(asked, &expect, &answer) {
                Ok(()) => return Ok(answer),
                Err(why) => patience.wait().await.map_err(|how_long| format!("{how_long}{why}"))?,
            }
        }
    }

    async fn read(&self, step: &Step, caller: &Caller, request: Request, path: &str) -> Result<Answer, String> {
        match step.read {
            Read::Whole => self.ask(caller, request).await,
            Read::Events => self.events(caller, request).await,
            Read::Pages => self.pages(caller, path, step.limit.unwrap_or(50)).await,
            Read::Call => self.call(caller, request).await,
        }
    }

    async fn ask(&self, caller: &Caller, request: Request) -> Result<Answer, String> {
        self.world.ask(caller, request).await.map(Answer::whole)
    }

    async fn events(&self, caller: &Caller, request: Request) -> Result<Answer, String> {
        let patience = self.world.patience();
        let mut stream = match self.world.listen(caller, request).await? {
            Ok(stream) => stream,
            Err(answer) => return Ok(Answer::whole(answer)),
        };
        let content_type = stream.header("content-type").map(str::to_owned);
        let mut events = Vec::new();
        while let Some(event) = stream.attempt(patience).await? {
            events.push(event);
        }
        Ok(Answer::events(&events, content_type.as_deref()))
    }

    /// The loop of the seed: the next page ends before the last message of this one, until a page is empty.
    async fn pages(&self, caller: &Caller, path: &str, limit: usize) -> Result<Answer, String> {
        let mut messages = Vec::new();
        let mut before: Option<String> = None;
        for requests in 1..=MOST_PAGES {
            let before_is = before.map(|before| format!("&before={}", before.replace(':', "%3A"))).unwrap_or_default();
            let answer = self.ask(caller, Request::get(&format!("{path}?limit={limit}{before_is}"))).await?;
            let page = answer.value("data.messages").and_then(|page| page.as_array().cloned()).unwrap_or_default();
            let Some(last) = page.last().filter(|_| answer.value("success") == Some(Value::Bool(true))) else {
                return Ok(Answer::made(answer.status, json!({"messages": messages, "requests": requests})));
            };
            before = last.get("createdAt").and_then(Value::as_str).map(str::to_owned);
            messages.extend(page);
        }
        Err(format!("the loop does not end within {MOST_PAGES} pages"))
    }

    /// The helper of the seed: the data of a success, or an exception with the message of the error.
    async fn call(&self, caller: &Caller, request: Request) -> Result<Answer, String> {
        let answer = self.ask(caller, request).await?;
        let body = answer.json.clone().ok_or_else(|| format!("no JSON came: {}", answer.text()))?;
        let truthy = !matches!(body.get("success"), None | Some(Value::Null | Value::Bool(false)));
        let outcome = if truthy {
            json!({"returned": body.get("data")})
        } else {
            json!({"thrown": body.pointer("/error/message").and_then(Value::as_str)})
        };
        // Made of the body, and so not judged as a body of the server.
        Ok(Answer::made(if truthy { answer.status } else { 200 }, outcome))
    }
}

/// How often, or for how long, something is asked again.
enum Patience {
    None,
    Tries { left: u64, all: u64 },
    Time { until: Instant, seconds: f64, pause: Duration },
}

impl Patience {
    fn of(step: &Step, expect: &Expect, scope: &Scope) -> Result<Self, String> {
        if let Some(written) = &step.tries {
            let all = scope.fill(written)?.as_u64().ok_or_else(|| format!("tries takes a number: {written}"))?;
            return Ok(Self::Tries { left: all, all });
        }
        Ok(expect.within.map_or(Self::None, |seconds| Self::Time {
            until: Instant::now() + Duration::from_secs_f64(seconds),
            seconds,
            pause: FIRST_PAUSE,
        }))
    }

    /// Waits until it is time to ask again; says how long it was tried where that is over.
    async fn wait(&mut self) -> Result<(), String> {
        match self {
            Self::None => Err(String::new()),
            Self::Tries { left: 0 | 1, all } => Err(format!("still after {all} tries: ")),
            Self::Tries { left, .. } => {
                *left -= 1;
                Ok(())
            }
            Self::Time { until, seconds, .. } if Instant::now() >= *until => Err(format!("still after {seconds} s: ")),
            Self::Time { pause, .. } => {
                sleep(*pause).await;
                *pause = LONGEST_PAUSE.min(*pause * 3 / 2);
                Ok(())
            }
        }
    }
}

/// Whether a target is asked anything by a case.
pub fn is_asked(case: &Case, target: Target) -> bool {
    case.steps.iter().any(|step| step.only.is_none_or(|only| only == target))
}

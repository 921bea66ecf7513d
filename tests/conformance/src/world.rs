//! The server under test, and what its cases share.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use core_types::Ids as _;
use doolittle::clock::SystemIds;
use serde_json::{Value, json};
use testkit::caller::{Answer, Caller, Events, Request};
use tokio::sync::OnceCell;

use crate::case::{KeySent, Need, Target};

/// The id of the default message server.
pub const DEFAULT_SERVER: &str = "00000000-0000-0000-0000-000000000000";

/// Longer than any answer takes; the reference tries again for five seconds before it says that it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The reference answers a start before its agent listens.
const UNTIL_AN_AGENT_LISTENS: Duration = Duration::from_secs(1);

/// What agents need on the reference to have a model and to act. Ours keeps the names.
const PLUGINS: [&str; 2] = ["@elizaos/plugin-bootstrap", "@elizaos/plugin-openai"];

/// A server, and what is known of it.
#[derive(Debug)]
pub struct World {
    /// Which of the two it is.
    pub target: Target,
    /// Its key.
    pub key: Option<String>,
    /// How many requests it allows in a window, where that is known and may be used up.
    pub limit: Option<u32>,
    /// Whether its agents speak through the stub.
    pub has_model: bool,
    /// Whether each area speaks from a loopback address of its own, so that each has a rate limit of its own.
    pub spread: bool,
    asked: AtomicUsize,
    caller: Caller,
    shared_agent: OnceCell<Result<String, String>>,
}

impl World {
    /// A server at a base URL such as `http://127.0.0.1:3000`, without a key, a model or a known limit.
    pub async fn at(base_url: &str, target: Target) -> Result<Self, String> {
        let host =
            base_url.strip_prefix("http://").ok_or("the base URL must begin with http://; run the suite beside a server with TLS")?;
        let host = host.trim_end_matches('/');
        if host.contains('/') {
            return Err(format!("{base_url}: paths of servers begin at the root"));
        }
        let with_port = if host.rsplit(']').next().is_some_and(|end| end.contains(':')) { host.to_owned() } else { format!("{host}:80") };
        let mut found = tokio::net::lookup_host(&with_port).await.map_err(|error| format!("{host}: {error}"))?;
        // The reference listens on IPv4 alone, whatever `localhost` may mean first.
        let addresses: Vec<SocketAddr> = found.by_ref().collect();
        let address =
            addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).ok_or_else(|| format!("{host} is nowhere"))?;
        let caller = Caller::of(*address).with("host", host);
        Ok(Self {
            target,
            key: None,
            limit: None,
            has_model: false,
            spread: false,
            asked: AtomicUsize::new(0),
            caller,
            shared_agent: OnceCell::new(),
        })
    }

    /// What of these needs is missing.
    pub fn lacks(&self, needs: &[Need]) -> Option<&'static str> {
        needs.iter().find_map(|need| match need {
            Need::Model if !self.has_model => Some("needs a model: --model-port"),
            Need::Key if self.key.is_none() => Some("needs a server with a key: --key"),
            Need::Limit if self.limit.is_none() => Some("uses up the rate limit: --limit"),
            _ => None,
        })
    }

    /// Somebody who works on an area, with this key.
    pub fn caller(&self, area: usize, sends: KeySent) -> Caller {
        let caller = if self.spread {
            let last = u8::try_from(area % 200).unwrap_or_default() + 2;
            self.caller.speaking_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
        } else {
            self.caller.clone()
        };
        match (&self.key, sends) {
            (None, _) | (_, KeySent::None) => caller,
            (Some(key), KeySent::Right) => caller.with_key(key),
            (Some(key), KeySent::Bearer) => caller.with_bearer(key),
            (Some(_), KeySent::Wrong) => caller.with_key("this-is-another-key-than-the-right-one"),
        }
    }

    /// How long an answer may take.
    pub const fn patience(&self) -> Duration {
        PATIENCE
    }

    /// Sends a request and reads the whole answer.
    pub async fn ask(&self, caller: &Caller, request: Request) -> Result<Answer, String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        caller.attempt(request, PATIENCE).await.map_err(|unanswered| unanswered.to_string())
    }

    /// Sends a request whose answer is a stream of events, if it is 200.
    pub async fn listen(&self, caller: &Caller, request: Request) -> Result<Result<Events, Answer>, String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        caller.attempt_events(request, PATIENCE).await.map_err(|unanswered| unanswered.to_string())
    }

    /// How many requests were sent so far: rate limits are about them.
    pub fn requests(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Plugins of agents that shall answer.
    pub fn plugins(&self) -> Value {
        json!(PLUGINS)
    }

    /// A new random id.
    pub fn uuid(&self) -> String {
        SystemIds.uuid().to_string()
    }

    /// The running agent that all cases share.
    pub async fn shared_agent(&self) -> Result<String, String> {
        let made = async {
            let caller = self.caller(0, KeySent::Right);
            let id = self.agent(&caller).await?;
            self.start(&caller, &id).await?;
            Ok(id)
        };
        self.shared_agent.get_or_init(|| made).await.clone()
    }

    /// A new agent that does not run.
    pub async fn agent(&self, caller: &Caller) -> Result<String, String> {
        let nonce = self.uuid();
        let name = format!("Conf {}", nonce.get(28..).unwrap_or_default());
        let body = json!({"agent": {"name": name, "bio": ["b1", "b2"], "plugins": PLUGINS}});
        self.make(caller, Request::post("/api/agents", &body), 201, "/data/id").await
    }

    /// Starts an agent.
    pub async fn start(&self, caller: &Caller, id: &str) -> Result<(), String> {
        let start = Request::new("POST", &format!("/api/agents/{id}/start")).header("content-length", "0");
        self.make(caller, start, 200, "/data/id").await?;
        if self.target == Target::Reference {
            tokio::time::sleep(UNTIL_AN_AGENT_LISTENS).await;
        }
        Ok(())
    }

    /// Stops an agent, if it runs.
    pub async fn stop(&self, caller: &Caller, id: &str) {
        let stop = Request::new("POST", &format!("/api/agents/{id}/stop")).header("content-length", "0");
        // The case may have stopped or deleted it.
        let _ = self.ask(caller, stop).await;
    }

    /// A new channel of two.
    pub async fn channel(&self, caller: &Caller, kind: &str, person: &str, agent: &str) -> Result<String, String> {
        let metadata = if kind == "DM" { json!({"isDm": true, "user1": person, "user2": agent, "forAgent": agent}) } else { json!({}) };
        let body = json!({
            "name": format!("a {kind} channel"), "type": kind, "message_server_id": DEFAULT_SERVER,
            "participantCentralUserIds": [person, agent], "metadata": metadata,
        });
        self.make(caller, Request::post("/api/messaging/channels", &body), 201, "/data/id").await
    }

    async fn make(&self, caller: &Caller, request: Request, status: u16, id: &str) -> Result<String, String> {
        let what = format!("{request:?}");
        let answer = self.ask(caller, request).await.map_err(|unanswered| format!("a fixture: {what}: {unanswered}"))?;
        let made = Some(answer.status).filter(|found| *found == status).and_then(|_| text_at(&answer, id));
        made.ok_or_else(|| format!("a fixture: {what}: {} {}", answer.status, answer.text()))
    }
}

fn text_at(answer: &Answer, pointer: &str) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    body.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

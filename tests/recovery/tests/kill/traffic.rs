//! Traffic by all doors. Every message has an id of the sender's choice, and is sent again until it is acknowledged.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use core_types::ids::string_to_uuid;
use core_types::{AgentId, ChannelId, EntityId, MessageId, MessageServerId};
use outbound::{Auth, Client, Endpoint, Limits};
use serde_json::{Value, json};
use testkit::caller::Caller;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::dice::Dice;

/// Within this a delivery that was killed is claimed again, a few pauses later.
const DRAIN: Duration = Duration::from_mins(1);
/// Within this one more ends where many are open. Also on a busy machine a hundred do in a second.
const DRAIN_EACH: Duration = Duration::from_millis(50);

const SENDERS: u64 = 8;
const CHANNELS: usize = 6;
const AGENTS: usize = 3;

/// The agents and channels of a run.
#[derive(Debug, Clone)]
pub struct World {
    /// Each with one or two agents.
    pub channels: Vec<(ChannelId, Vec<AgentId>)>,
}

/// A message that the server has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Acknowledged {
    /// Its id.
    pub id: MessageId,
    /// Its channel.
    pub channel: ChannelId,
}

fn endpoint(url: &str) -> Endpoint {
    let limits = Limits { connect: Duration::from_secs(2), idle: Duration::from_secs(10), ..Limits::default() };
    Client::new(limits).at(url, &Auth::None).unwrap()
}

impl World {
    /// Creates agents and channels on a running server.
    pub async fn create(url: &str) -> Self {
        let server = endpoint(url);
        let mut agents = Vec::new();
        for number in 0..AGENTS {
            let character = json!({"characterJson": {"name": format!("Agent {number}"), "bio": ["Answers."]}});
            let id: AgentId = created(&server, "/api/agents", &character).await.parse().unwrap();
            let started = server.post(&format!("/api/agents/{id}/start"), &json!({})).await.unwrap();
            assert_eq!(started.status(), 200);
            agents.push(id);
        }
        let mut channels = Vec::new();
        for number in 0..CHANNELS {
            let members: Vec<AgentId> = agents.iter().copied().skip(number % AGENTS).take(1 + number % 2).collect();
            let participants: Vec<String> = members.iter().map(ToString::to_string).collect();
            let channel = json!({
                "name": format!("Channel {number}"), "message_server_id": MessageServerId::DEFAULT, "type": "DM",
                "participantCentralUserIds": participants,
            });
            let id = created(&server, "/api/messaging/channels", &channel).await.parse().unwrap();
            channels.push((id, members));
        }
        Self { channels }
    }

    /// Waits until every delivery has ended, by what the server says of it. Panics where that takes too long for as many as there are.
    pub async fn drained(&self, url: &str) {
        let caller = Caller::of(url.trim_start_matches("http://").parse().unwrap());
        let mut latest = None;
        loop {
            let figures = caller.get("/metrics").await.text();
            let counts: Vec<u32> = figures
                .lines()
                .filter(|line| line.starts_with("doolittle_deliveries_open{"))
                .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
                .collect();
            assert!(!counts.is_empty(), "nothing is said of deliveries in {figures}");
            let open: u32 = counts.iter().sum();
            if open == 0 {
                return;
            }
            let latest = *latest.get_or_insert_with(|| Instant::now() + DRAIN + DRAIN_EACH * open);
            assert!(Instant::now() < latest, "{open} deliveries are open");
            sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn created(server: &Endpoint, path: &str, body: &Value) -> String {
    let answer = server.post(path, body).await.unwrap();
    let json = answer.json::<Value>().unwrap();
    assert_eq!(answer.status(), 201, "{json}");
    json["data"]["id"].as_str().unwrap().to_owned()
}

struct Shared {
    world: World,
    endpoint: Mutex<Endpoint>,
    acknowledged: Mutex<Vec<Acknowledged>>,
    count: AtomicUsize,
    heard: Notify,
    stop: AtomicBool,
}

/// Senders at work.
pub struct Traffic {
    shared: Arc<Shared>,
    senders: Vec<JoinHandle<()>>,
}

impl Traffic {
    /// Starts sending.
    pub fn start(world: World, url: &str, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            world,
            endpoint: Mutex::new(endpoint(url)),
            acknowledged: Mutex::default(),
            count: AtomicUsize::new(0),
            heard: Notify::new(),
            stop: AtomicBool::new(false),
        });
        let senders = (0..SENDERS).map(|sender| tokio::spawn(send_all(Arc::clone(&shared), sender, Dice::new(seed ^ sender)))).collect();
        Self { shared, senders }
    }

    /// The server was started again, at another port.
    pub fn server_moved(&self, url: &str) {
        *self.shared.endpoint.lock().unwrap() = endpoint(url);
    }

    /// How many messages were acknowledged so far.
    pub fn acknowledgements(&self) -> usize {
        self.shared.count.load(Ordering::SeqCst)
    }

    /// All that was acknowledged so far.
    pub fn so_far(&self) -> Vec<Acknowledged> {
        self.shared.acknowledged.lock().unwrap().clone()
    }

    /// Waits for the next acknowledgement.
    pub async fn acknowledged(&self) {
        self.shared.heard.notified().await;
    }

    /// Stops sending when what was begun is acknowledged; returns all that was.
    pub async fn stop(self) -> Vec<Acknowledged> {
        self.shared.stop.store(true, Ordering::SeqCst);
        for sender in self.senders {
            sender.await.unwrap();
        }
        self.shared.acknowledged.lock().unwrap().clone()
    }
}

async fn send_all(shared: Arc<Shared>, sender: u64, mut dice: Dice) {
    let author = EntityId::new(string_to_uuid(&format!("sender {sender}")));
    while !shared.stop.load(Ordering::SeqCst) {
        let (channel, _) = shared.world.channels[usize::try_from(dice.below(CHANNELS as u64)).unwrap()];
        let id = MessageId::new(string_to_uuid(&format!("{sender} {}", dice.next())));
        let door = dice.below(3);
        // Sent again, the same, until it is acknowledged: a kill may fall before or after the commit.
        while !sent(&shared, door, channel, id, author).await {
            sleep(Duration::from_millis(5)).await;
        }
        shared.acknowledged.lock().unwrap().push(Acknowledged { id, channel });
        shared.count.fetch_add(1, Ordering::SeqCst);
        shared.heard.notify_waiters();
        sleep(Duration::from_millis(dice.below(40))).await;
    }
}

async fn sent(shared: &Shared, door: u64, channel: ChannelId, id: MessageId, author: EntityId) -> bool {
    let server = shared.endpoint.lock().unwrap().clone();
    let mut body = json!({
        "messageId": id, "channel_id": channel, "server_id": MessageServerId::DEFAULT, "author_id": author,
        "content": format!("message {id}"), "source_type": "recovery", "raw_message": {"text": "x"}, "metadata": {"n": 1},
    });
    let path = match door {
        0 => "/api/messaging/submit".to_owned(),
        1 => "/api/messaging/ingest-external".to_owned(),
        _ => {
            body["transport"] = "websocket".into();
            format!("/api/messaging/channels/{channel}/messages")
        }
    };
    match server.post(&path, &body).await {
        Ok(answer) if answer.status() < 300 => true,
        Ok(answer) if answer.status() == 503 => false,
        Ok(answer) => panic!("{path} answered {}: {:?}", answer.status(), answer.json::<Value>()),
        Err(_) => false,
    }
}

//! Those who talk with an agent each: in a session, by jobs, and on a socket.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use core_types::ids::string_to_uuid;
use core_types::{AgentId, ChannelId};
use serde_json::{Value, json};
use testkit::caller::{Caller, Request};
use testkit::socket::Socket;
use tokio::time::{sleep, timeout};

use super::link::{Link, read};
use crate::dice::Dice;
use crate::traffic::Acknowledged;

const DEFAULT: &str = "00000000-0000-0000-0000-000000000000";
const ANN: &str = "550e8400-e29b-41d4-a716-446655440001";
/// How long a socket is listened to for an acknowledgement.
const PATIENCE: Duration = Duration::from_secs(3);

/// How somebody talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    Session,
    Job,
    Socket,
}

/// What was said and acknowledged.
#[derive(Debug, Default)]
pub struct Talked(Mutex<Said>);

/// The same, to be compared.
#[derive(Debug, Default, Clone)]
pub struct Said {
    /// Channels of their own, with their agents.
    pub channels: Vec<(ChannelId, Vec<AgentId>)>,
    /// Messages there.
    pub acknowledged: Vec<Acknowledged>,
    /// Channels of jobs, in each of which one thing is asked.
    pub jobs: Vec<(ChannelId, AgentId)>,
    tickets: Vec<(String, AgentId)>,
}

impl Talked {
    /// All of it, with the channels of jobs as a server knows them.
    pub async fn take(&self, caller: &Caller) -> Said {
        let mut said = std::mem::take(&mut *self.0.lock().unwrap());
        let channels = read(caller, &format!("/api/messaging/message-servers/{DEFAULT}/channels")).await.data(200);
        let of_jobs: Vec<_> =
            channels["channels"].as_array().unwrap().iter().filter(|channel| channel["metadata"]["jobId"].is_string()).collect();
        assert_eq!(of_jobs.len(), said.tickets.len(), "there is one channel for each job");
        for (job, agent) in &said.tickets {
            let channel =
                of_jobs.iter().find(|channel| channel["metadata"]["jobId"] == **job).unwrap_or_else(|| panic!("job {job} is lost"));
            said.jobs.push((id(&channel["id"]), *agent));
        }
        said
    }
}

impl Said {
    /// Every job is completed.
    pub async fn check_jobs(&self, caller: &Caller) {
        for (job, _) in &self.tickets {
            let shown = read(caller, &format!("/api/messaging/jobs/{job}")).await.json();
            assert_eq!(shown["status"], "completed", "{shown}");
        }
    }
}

fn id<T: std::str::FromStr>(value: &Value) -> T {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no id"))
}

/// Somebody who talks.
pub struct Talker {
    how: Talk,
    agent: AgentId,
    channel: ChannelId,
    session: String,
    talked: Arc<Talked>,
}

impl Talker {
    /// Opens what is talked in.
    pub async fn start(how: Talk, agent: &str, caller: &Caller, talked: &Arc<Talked>) -> Self {
        let (channel, session) = if how == Talk::Session {
            let opened = caller.post("/api/messaging/sessions", &json!({"agentId": agent, "userId": ANN})).await.json();
            (id(&opened["channelId"]), opened["sessionId"].as_str().unwrap().to_owned())
        } else {
            let body = json!({"name": "talk", "message_server_id": DEFAULT, "type": "DM", "participantCentralUserIds": [agent]});
            (id(&caller.post("/api/messaging/channels", &body).await.data(201)["id"]), String::new())
        };
        let agent: AgentId = agent.parse().unwrap();
        talked.0.lock().unwrap().channels.push((channel, vec![agent]));
        Self { how, agent, channel, session, talked: Arc::clone(talked) }
    }

    /// Talks until it is told to stop.
    pub async fn talk(self, link: Arc<Link>, stop: Arc<AtomicBool>, mut dice: Dice) {
        let mut socket = None;
        let mut number = 0;
        while !stop.load(Ordering::SeqCst) {
            number += 1;
            let key = format!("talk-{number}");
            match self.how {
                Talk::Session => {
                    let path = format!("/api/messaging/sessions/{}/messages", self.session);
                    let posted = self.sent(&link, &path, &key, &json!({"content": key})).await;
                    self.acknowledged(id(&posted["userMessage"]["id"]));
                }
                Talk::Job => {
                    let body = json!({"userId": ANN, "agentId": self.agent, "content": key, "timeoutMs": 300_000});
                    let taken = self.sent(&link, "/api/messaging/jobs", &key, &body).await;
                    self.talked.0.lock().unwrap().tickets.push((taken["jobId"].as_str().unwrap().to_owned(), self.agent));
                }
                Talk::Socket => loop {
                    if let Some(posted) = link.with(async |address| emit(&mut socket, address, self.channel, &key).await).await {
                        self.acknowledged(id(&posted["messageId"]));
                        break;
                    }
                    sleep(Duration::from_millis(10)).await;
                },
            }
            sleep(Duration::from_millis(20 + dice.below(60))).await;
        }
    }

    async fn sent(&self, link: &Link, path: &str, key: &str, body: &Value) -> Value {
        link.done(&Request::post(path, body).header("idempotency-key", key), &[201]).await.json()
    }

    fn acknowledged(&self, id: core_types::MessageId) {
        self.talked.0.lock().unwrap().acknowledged.push(Acknowledged { id, channel: self.channel });
    }
}

/// Sends on a socket, a new one where there is none, and waits until that is acknowledged.
async fn emit(
    socket: &mut Option<(std::net::SocketAddr, Socket)>,
    address: std::net::SocketAddr,
    channel: ChannelId,
    key: &str,
) -> Option<Value> {
    let (_, open) = match socket.take().filter(|(known, _)| *known == address) {
        Some(open) => socket.insert(open),
        None => socket.insert((address, Socket::connect(address, &json!({"entityId": ANN})).await.ok()?)),
    };
    let payload = json!({"channelId": channel, "serverId": DEFAULT, "senderId": ANN, "message": key, "messageId": string_to_uuid(key)});
    let exchange = async {
        open.emit("message", &json!({"type": 2, "payload": payload})).await;
        loop {
            let (name, told) = open.next().await?;
            if name == "messageAck" {
                return Some(told);
            }
        }
    };
    let told = timeout(PATIENCE, exchange).await.ok().flatten();
    if told.is_none() {
        *socket = None;
    }
    told
}

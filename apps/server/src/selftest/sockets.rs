//! The events of Socket.IO, over polls: whoever may not hear a channel hears nothing of it, and posts nothing there.

use core_types::ids::string_to_uuid;
use outbound::{Endpoint, Method};
use serde_json::{Value, json};

use super::authz::Callers;
use super::clean::socket_channel;
use super::decisions::{EVENTS, Serves};
use super::world::{Asker, bytes};
use super::{Report, shortened};
use crate::exit::{Exit, Failure};

/// How often a socket is read until what is waited for has come.
const READS: usize = 20;
/// What separates packets of a poll.
const SEPARATOR: char = '\u{1e}';

/// Asks everything by events.
pub async fn run(callers: &Callers, report: &mut Report) -> Result<(), Failure> {
    for asker in [&callers.none, &callers.wrong] {
        let greeting = Socket::greeting(&asker.server, asker.key.as_deref()).await?;
        report.check(&format!("a socket of {}", asker.name), greeting.starts_with("44"), &shortened(&greeting));
    }
    let world = &callers.tenant;
    // The things of the tenant may have been deleted by now, and so these events are about a channel that is made here.
    let channel = socket_channel(&world.mark);
    let made = json!({
        "channel_id": channel, "channelId": channel, "message_server_id": core_types::MessageServerId::DEFAULT,
        "author_id": world.thing("person"), "content": format!("first, {}", world.mark),
    });
    let mut early = Socket::open(&callers.stranger.full).await?;
    // Whoever waits for a channel that is not there yet must not hear it when another makes it.
    early.event("join", &json!({ "channelId": channel })).await?;
    let path = format!("/api/messaging/central-channels/{channel}/messages");
    world.full.must(Method::Post, &path, Some(&made)).await?;
    let heard = early.event("leave", &json!({ "channelId": channel })).await?;
    report.check("a channel that another tenant makes later", !heard.contains(&world.mark), &shortened(&heard));

    for (event, serves) in EVENTS {
        for (who, asker, own, owner) in [
            ("another tenant", &callers.stranger.full, false, false),
            ("the tenant", &world.full, true, false),
            ("the owner", &callers.owner, true, true),
        ] {
            let mut socket = Socket::open(asker).await?;
            let payload = json!({
                "channelId": channel, "messageServerId": core_types::MessageServerId::DEFAULT, "senderId": socket.person,
                "message": "by a socket", "level": "info",
            });
            let said = socket.event(event, &payload).await?;
            let may = match serves {
                Serves::Own(_) | Serves::Apart(_) => own,
                Serves::Owner => owner,
                Serves::Anyone | Serves::Nearby | Serves::Known | Serves::Alike(_) => true,
            };
            let refused = said.contains("messageError");
            report.check(&format!("event {event} by {who}"), refused != may && (own || !said.contains(&world.mark)), &shortened(&said));
        }
        if let Serves::Own(permission) | Serves::Alike(permission) = serves
            && let Some((_, narrow)) = world.narrow.iter().find(|(missing, _)| missing == permission)
        {
            let said = match Socket::greeting(&narrow.server, narrow.key.as_deref()).await? {
                refused if refused.starts_with("44") => refused,
                _ => {
                    let mut socket = Socket::open(narrow).await?;
                    let payload = json!({
                        "channelId": channel, "messageServerId": core_types::MessageServerId::DEFAULT, "senderId": socket.person,
                        "message": "by a socket",
                    });
                    socket.event(event, &payload).await?
                }
            };
            let refused = said.starts_with("44") || said.contains("messageError");
            report.check(&format!("event {event} by {}", narrow.name), refused, &shortened(&said));
        }
    }
    Ok(())
}

/// A socket over polls.
struct Socket {
    server: Endpoint,
    path: String,
    person: String,
    acks: u32,
}

impl Socket {
    /// What the server says to somebody who connects.
    async fn greeting(server: &Endpoint, key: Option<&str>) -> Result<String, Failure> {
        let (mut socket, said) = Self::connect(server, key).await?;
        socket.close().await?;
        Ok(said)
    }

    /// Opens a socket, which must be let in.
    async fn open(asker: &Asker) -> Result<Self, Failure> {
        let (socket, said) = Self::connect(&asker.server, asker.key.as_deref()).await?;
        if said.starts_with("40") { Ok(socket) } else { Err(strange(&format!("{} cannot open a socket: {said}", asker.name))) }
    }

    async fn connect(server: &Endpoint, key: Option<&str>) -> Result<(Self, String), Failure> {
        let greeting = ask(server, "/socket.io/?EIO=4&transport=polling").await?;
        let told: Value = greeting.strip_prefix('0').and_then(|told| serde_json::from_str(told).ok()).unwrap_or_default();
        let session = told.get("sid").and_then(Value::as_str).ok_or_else(|| strange("no socket can be opened"))?;
        let person = string_to_uuid(session).to_string();
        let path = format!("/socket.io/?EIO=4&transport=polling&sid={session}");
        let mut socket = Self { server: server.clone(), path, person, acks: 0 };
        socket.send(format!("40{}", json!({"apiKey": key, "entityId": socket.person}))).await?;
        let said = socket.read(|packet| packet.starts_with("40") || packet.starts_with("44")).await?;
        Ok((socket, said))
    }

    /// Sends an event and gives back all that was said until it was acknowledged.
    async fn event(&mut self, event: &str, payload: &Value) -> Result<String, Failure> {
        self.acks += 1;
        let ack = self.acks;
        let event = match event.strip_prefix("message ").and_then(|kind| kind.parse::<u32>().ok()) {
            Some(kind) => json!(["message", {"type": kind, "payload": payload}]),
            None => json!([event, payload]),
        };
        self.send(format!("42{ack}{event}")).await?;
        self.read(|packet| packet.starts_with(&format!("43{ack}["))).await
    }

    async fn send(&mut self, packet: String) -> Result<(), Failure> {
        let sent = self.server.post_bytes(&self.path, "text/plain;charset=UTF-8", bytes(packet)).await;
        let sent = sent.map_err(|error| strange("a socket cannot be written to").because(error))?;
        if sent.is_success() { Ok(()) } else { Err(strange(&format!("a socket refuses what is sent: {}", sent.text()))) }
    }

    /// Reads until a packet comes that is waited for.
    async fn read(&mut self, wanted: impl Fn(&str) -> bool) -> Result<String, Failure> {
        let mut said: Vec<String> = Vec::new();
        for _ in 0..READS {
            let payload = ask(&self.server, &self.path).await?;
            let packets: Vec<String> = payload.split(SEPARATOR).map(str::to_owned).collect();
            let done = packets.iter().any(|packet| wanted(packet));
            said.extend(packets);
            if done {
                // What is waited for comes first where it is what is looked at.
                said.sort_by_key(|packet| !wanted(packet));
                return Ok(said.join("\n"));
            }
        }
        Err(strange(&format!("a socket does not say what is waited for: {}", said.join("\n"))))
    }

    async fn close(&mut self) -> Result<(), Failure> {
        // One that was refused may be closed already.
        let _ = self.server.post_bytes(&self.path, "text/plain;charset=UTF-8", bytes("1".to_owned())).await;
        Ok(())
    }
}

async fn ask(server: &Endpoint, path: &str) -> Result<String, Failure> {
    let answer = server.get(path).await.map_err(|error| strange("a socket cannot be read").because(error))?;
    if answer.is_success() { Ok(answer.text()) } else { Err(strange(&format!("a socket cannot be read: {}", answer.text()))) }
}

fn strange(message: &str) -> Failure {
    Failure::new(Exit::Failure, message.to_owned())
}

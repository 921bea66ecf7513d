//! Sockets: what an idle one costs, how long a message takes to the last of a room, and whether many that chat at once lose or
//! double anything.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::api::{Api, SERVER};
use crate::cli::{Common, SocketsArgs};
use crate::failure::{During, Failure, Outcome, say};
use crate::figures::{Latencies, Line, mib, rate};
use crate::posts::{self, User};
use crate::target::Target;

/// How long a server is left alone before its memory is read.
const SETTLING: Duration = Duration::from_secs(2);
/// Whatever is waited for has come by then.
const PATIENCE: Duration = Duration::from_mins(1);
/// The user whose messages all others hear.
const SPEAKER: User = User(9_000_000);

pub(super) type Websocket = WebSocketStream<TcpStream>;

pub(super) fn run(arguments: &SocketsArgs, common: &Common) -> Outcome<Line> {
    let target = Target::prepare(common)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().during("starting a runtime")?;
    let (idle_mib, latencies) = in_one_room(&target, &runtime, arguments)?;
    let chat = chat(&target, &runtime, arguments)?;
    let mut parameters = target.parameters();
    parameters.retain(|name, _| name != "seconds" && name != "warm_up_seconds");
    for (name, value) in [("sockets", arguments.sockets), ("chatting", arguments.chatting), ("messages", arguments.messages)] {
        parameters.insert(name.to_owned(), json!(value));
    }
    let mut line = Line::new("sockets", parameters).latencies(&latencies).resident(target.resident());
    line.rate_per_s = Some(rate(chat.replies, chat.took));
    line.answers = latencies.count() + chat.replies;
    line.errors = chat.wrong;
    Ok(line.with("idle_mib", json!(idle_mib)))
}

/// Opens the sockets, all in one room, and tells them one message after the other. Returns what they cost while nothing happens, and
/// how long each message took to the last of them.
pub(super) fn in_one_room(
    target: &Target,
    runtime: &tokio::runtime::Runtime,
    arguments: &SocketsArgs,
) -> Outcome<(Option<f64>, Latencies)> {
    let mut api = Api::open(target)?;
    let channel = api.channel("Bench room", "GROUP", &[&SPEAKER.to_string()])?;
    thread::sleep(SETTLING);
    let before = target.resident();
    let (sender, mut heard) = mpsc::unbounded_channel();
    let mut readers = runtime.block_on(async {
        let mut readers = JoinSet::new();
        for number in 0..arguments.sockets {
            let mut socket = open(target.address(), User(number.into())).await?;
            join(&mut socket, &channel).await?;
            readers.spawn(listen(socket, sender.clone()));
        }
        Ok::<_, Failure>(readers)
    })?;
    thread::sleep(SETTLING);
    let idle = before.zip(target.resident()).map(|(before, after)| mib(after.now.saturating_sub(before.now)));
    say(format!("{} sockets cost {idle:?} MiB", arguments.sockets));
    let path = format!("/api/messaging/central-channels/{channel}/messages");
    let mut latencies = Latencies::new();
    for number in 0..arguments.broadcasts {
        let began = Instant::now();
        let said = json!({
            "author_id": SPEAKER.to_string(), "message_server_id": SERVER, "content": posts::text(number.into()), "source_type": posts::SOURCE,
        });
        api.call("POST", &path, Some(&said))?;
        for _ in 0..arguments.sockets {
            let told = runtime.block_on(async { timeout(PATIENCE, heard.recv()).await }).ok().flatten();
            told.ok_or_else(|| Failure::new("a socket was not told a message"))?;
        }
        latencies.record(began.elapsed());
    }
    runtime.block_on(readers.shutdown());
    Ok((idle, latencies))
}

/// Tells of every message that a socket is told.
async fn listen(mut socket: Websocket, heard: mpsc::UnboundedSender<()>) {
    while let Ok((name, _)) = event(&mut socket).await {
        if name == "messageBroadcast" && heard.send(()).is_err() {
            return;
        }
    }
}

/// What came of many sockets that chatted at once.
struct Chat {
    replies: u64,
    /// Messages and replies that were lost, and those that came more than once.
    wrong: u64,
    took: Duration,
}

/// Lets many sockets chat at once, each with the agent in a channel of its own, one message after the other.
fn chat(target: &Target, runtime: &tokio::runtime::Runtime, arguments: &SocketsArgs) -> Outcome<Chat> {
    let mut api = Api::open(target)?;
    let agent = api.running_agent()?;
    let mut channels = Vec::with_capacity(arguments.chatting.into());
    for number in 0..arguments.chatting {
        let user = User(8_000_000 + u32::from(number));
        channels.push((user, api.channel(&format!("Bench chat {number}"), "DM", &[&user.to_string(), &agent])?));
    }
    let (address, messages, agent) = (target.address(), arguments.messages, Arc::<str>::from(agent));
    let began = Instant::now();
    let talked: Vec<Outcome<u64>> = runtime.block_on(async {
        let mut talks = JoinSet::new();
        for (user, channel) in channels {
            talks.spawn(talk(address, user, channel, Arc::clone(&agent), messages));
        }
        talks.join_all().await
    });
    let took = began.elapsed();
    let wrong = talked.into_iter().sum::<Outcome<u64>>()?;
    // No talk goes on before the reply to its last message is complete.
    Ok(Chat { replies: u64::from(arguments.chatting) * u64::from(messages), wrong, took })
}

/// One user's talk; how many messages and replies did not come exactly once.
async fn talk(address: SocketAddr, user: User, channel: String, agent: Arc<str>, messages: u16) -> Outcome<u64> {
    let mut socket = open(address, user).await?;
    join(&mut socket, &channel).await?;
    let mut told: BTreeMap<String, u64> = BTreeMap::new();
    let mut acknowledged = 0;
    for number in 0..messages {
        let client_id = format!("{user}-{number}");
        let payload = json!({
            "channelId": channel, "messageServerId": SERVER, "senderId": user.to_string(), "senderName": posts::NAME,
            "message": posts::text(number.into()), "messageId": client_id, "source": "client_chat", "metadata": {"channelType": "DM"},
        });
        emit(&mut socket, "message", &json!({ "type": 2, "payload": payload })).await?;
        loop {
            let (name, payload) = event(&mut socket).await?;
            let text = |key| payload.get(key).and_then(Value::as_str);
            match name.as_str() {
                "messageAck" if text("clientMessageId") == Some(&client_id) => acknowledged += 1,
                "messageBroadcast" => *told.entry(text("id").unwrap_or_default().to_owned()).or_default() += 1,
                "messageComplete" if text("agentId") == Some(&agent) => break,
                _ => {}
            }
        }
    }
    let expected = u64::from(messages) * 2;
    let once = told.values().filter(|times| **times == 1).count() as u64;
    let doubled = told.values().map(|times| times - 1).sum::<u64>();
    Ok(expected.abs_diff(once) + doubled + u64::from(messages.abs_diff(acknowledged)))
}

/// Opens a socket and connects it as a user.
pub(super) async fn open(address: SocketAddr, user: User) -> Outcome<Websocket> {
    let stream = TcpStream::connect(address).await.during("connecting a socket")?;
    let (mut socket, _) =
        client_async(format!("ws://{address}/socket.io/?EIO=4&transport=websocket"), stream).await.during("opening a websocket")?;
    send(&mut socket, &format!("40{}", json!({ "entityId": user.to_string() }))).await?;
    while event(&mut socket).await?.0 != "connection_established" {}
    Ok(socket)
}

pub(super) async fn join(socket: &mut Websocket, channel: &str) -> Outcome<()> {
    emit(socket, "message", &json!({ "type": 1, "payload": { "channelId": channel } })).await?;
    while event(socket).await?.0 != "room_joined" {}
    Ok(())
}

async fn emit(socket: &mut Websocket, name: &str, payload: &Value) -> Outcome<()> {
    send(socket, &format!("42{}", json!([name, payload]))).await
}

async fn send(socket: &mut Websocket, packet: &str) -> Outcome<()> {
    socket.send(Message::text(packet)).await.during("sending on a websocket")
}

/// The next event; heartbeats are answered.
async fn event(socket: &mut Websocket) -> Outcome<(String, Value)> {
    loop {
        let message = timeout(PATIENCE, socket.next()).await.map_err(|_| Failure::new("a socket was told nothing for a minute"))?;
        let message = message.ok_or_else(|| Failure::new("the server closed a socket"))?.during("reading a websocket")?;
        let Message::Text(text) = message else { continue };
        if text.as_str() == "2" {
            send(socket, "3").await?;
        } else if let Some(event) = text.strip_prefix("42") {
            return serde_json::from_str(event).during("reading an event");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn sockets_are_opened_told_and_talked_with() {
        let arguments = SocketsArgs { sockets: 5, broadcasts: 3, chatting: 4, messages: 2 };
        let line = run(&arguments, &testing::common()).unwrap();
        assert_eq!((line.errors, line.answers), (0, 3 + 8));
        assert!(line.p50_ms.unwrap() > 0.0);
    }
}

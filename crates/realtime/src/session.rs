//! One client's session: heartbeat, upgrade from polls to a websocket, connecting, events.

use std::time::{Duration, Instant};

use bytestring::ByteString;
use serde_json::{Value, json};

use crate::engine::{Frame, Packet as Engine};
use crate::packet::{Kind, Letter, Packet, ROOT, connected_frame, refused_frame};
use crate::{Event, MAX_CONNECTS, Malformed, Unreadable};

/// The server asks for a sign of life this often.
pub const PING_INTERVAL: Duration = Duration::from_secs(25);
/// And gives up a client that stays silent for so long.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// A session whose client has not connected within this time, or may not, is given up.
pub const CONNECT_TIME: Duration = Duration::from_secs(10);

/// What the greeting says of the most bytes of a poll's payload, as elizaOS says it.
const MAX_PAYLOAD: usize = 1_000_000;

/// How a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// In the body of a request.
    Polling,
    /// As a message of a websocket.
    Websocket,
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, derive_more::Display)]
pub enum Closed {
    /// The client said so.
    #[display("the client left")]
    ByClient,
    /// The client gave no sign of life.
    #[display("the client is silent")]
    Silent,
    /// The client did not connect in time.
    #[display("the client did not connect")]
    NotConnected,
    /// The client does not speak the protocol.
    #[display("{_0}")]
    Malformed(Malformed),
}

/// What has to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send this to the client, behind all that was sent before.
    Send(Frame),
    /// Send this on the websocket that knocks, at once, past what waits for the client.
    Answer(Frame),
    /// End a poll that waits, though there may be nothing to say.
    EndPoll,
    /// From now on the websocket takes what is sent.
    Upgraded,
    /// The client wants to connect, and shows this. Answer with [`Session::accept`] or [`Session::refuse`].
    Connect(Value),
    /// The client sent an event.
    Event(Event),
    /// The client sent an event whose data cannot be read, and goes on. It should be told, under this number where there is one.
    Unreadable {
        /// The number under which the client wants an answer.
        ack: Option<u64>,
        /// What is wrong with them.
        why: Unreadable,
    },
    /// The session is over; nothing follows.
    Close(Closed),
}

/// Where the session stands with the protocol above.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// The client has to connect by then.
    Awaited(Instant),
    Connected,
    Over,
}

/// An event, or an answer, whose attachments have not all come. They are counted and dropped, so that a client cannot make the server
/// hold bytes that nobody reads.
struct Partial {
    /// What is to be done when they have come; `None` for an answer, in which nobody is interested.
    then: Option<Output>,
    missing: usize,
}

/// A session: which transport carries it, when it was last heard of, and whether its client is connected.
pub struct Session {
    transport: Via,
    /// Whether a websocket has knocked and not yet taken over.
    upgrading: bool,
    standing: Standing,
    next_ping: Instant,
    /// While a sign of life is waited for, until when.
    pong_by: Option<Instant>,
    partial: Option<Partial>,
    /// How often the client has asked to connect.
    connects: usize,
}

impl Session {
    /// A new session, which `via` carries, and the greeting with its id.
    pub fn open(id: &str, via: Via, now: Instant) -> (Self, Frame) {
        let upgrades: &[&str] = if via == Via::Polling { &["websocket"] } else { &[] };
        let greeting = json!({
            "sid": id,
            "upgrades": upgrades,
            "pingInterval": PING_INTERVAL.as_millis(),
            "pingTimeout": PING_TIMEOUT.as_millis(),
            "maxPayload": MAX_PAYLOAD,
        });
        let session = Self {
            transport: via,
            upgrading: false,
            standing: Standing::Awaited(now + CONNECT_TIME),
            next_ping: now + PING_INTERVAL,
            pong_by: None,
            partial: None,
            connects: 0,
        };
        (session, Engine::Open(greeting.to_string().into()).encode())
    }

    /// A session that is over, to stand in the place of one while that is elsewhere.
    pub const fn over(now: Instant) -> Self {
        Self {
            transport: Via::Polling,
            upgrading: false,
            standing: Standing::Over,
            next_ping: now,
            pong_by: None,
            partial: None,
            connects: 0,
        }
    }

    /// Which transport takes what is sent.
    pub const fn transport(&self) -> Via {
        self.transport
    }

    /// Whether polls should not wait, because a websocket is about to take over.
    pub const fn is_upgrading(&self) -> bool {
        self.upgrading
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn next_tick(&self) -> Instant {
        let due = self.pong_by.unwrap_or(self.next_ping);
        match self.standing {
            Standing::Awaited(by) => due.min(by),
            Standing::Connected | Standing::Over => due,
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> Vec<Output> {
        if matches!(self.standing, Standing::Awaited(by) if by <= now) {
            return self.close(Closed::NotConnected);
        }
        match self.pong_by {
            Some(by) if by <= now => self.close(Closed::Silent),
            None if self.next_ping <= now => {
                self.pong_by = Some(now + PING_TIMEOUT);
                vec![Output::Send(Engine::Ping(ByteString::new()).encode())]
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// The client may connect; its socket gets this id.
    pub fn accept(&mut self, socket_id: &str) -> Frame {
        self.standing = Standing::Connected;
        connected_frame(socket_id)
    }

    /// The client may not connect. It is told why, and has what is left of its time to try again.
    pub fn refuse(&self, reason: &str) -> Frame {
        refused_frame(ROOT, reason)
    }

    /// The websocket that knocked is gone before it took over; the polls go on.
    pub fn forget_upgrade(&mut self) {
        self.upgrading = false;
    }

    /// A packet has come.
    pub fn receive(&mut self, packet: Engine, via: Via, now: Instant) -> Vec<Output> {
        if self.standing == Standing::Over {
            return Vec::new();
        }
        if via != self.transport {
            return self.knock(&packet, via);
        }
        // Whatever comes is a sign of life.
        self.pong_by = None;
        self.next_ping = now + PING_INTERVAL;
        let outputs = match packet {
            Engine::Message(text) => self.message(&text),
            Engine::Binary(_) => self.attachment(),
            Engine::Pong(_) | Engine::Noop => Ok(Vec::new()),
            Engine::Close => Ok(self.close(Closed::ByClient)),
            Engine::Open(_) | Engine::Ping(_) | Engine::Upgrade => Err(Malformed("an engine packet that clients do not send here")),
        };
        outputs.unwrap_or_else(|malformed| self.close(Closed::Malformed(malformed)))
    }

    /// A packet by the transport that does not carry the session: a websocket on its way to take over, or a straggler.
    fn knock(&mut self, packet: &Engine, via: Via) -> Vec<Output> {
        match packet {
            Engine::Ping(probe) if via == Via::Websocket => {
                self.upgrading = true;
                // The client ends its polls before it goes on, and waits for the one that is open.
                vec![Output::Answer(Engine::Pong(probe.clone()).encode()), Output::EndPoll]
            }
            Engine::Upgrade if via == Via::Websocket && self.upgrading => {
                self.upgrading = false;
                self.transport = Via::Websocket;
                vec![Output::Upgraded, Output::EndPoll]
            }
            _ => Vec::new(),
        }
    }

    fn message(&mut self, text: &str) -> Result<Vec<Output>, Malformed> {
        if self.partial.is_some() {
            return Err(Malformed("attachments of an event are missing"));
        }
        let letter = Letter::of(text)?;
        if letter.kind == Kind::Connect {
            self.connects += 1;
            if self.connects > MAX_CONNECTS {
                return Err(Malformed("the client asks again and again to connect"));
            }
        }
        if letter.namespace != ROOT {
            return elsewhere(&letter);
        }
        let awaited = matches!(self.standing, Standing::Awaited(_));
        if awaited != (letter.kind == Kind::Connect) {
            return Err(Malformed(if awaited { "the client has not connected" } else { "the client connects twice" }));
        }
        let (then, missing) = match letter.read()? {
            Packet::Connect(auth) => return Ok(vec![Output::Connect(auth)]),
            Packet::Disconnect => return Ok(self.close(Closed::ByClient)),
            Packet::Event(event, missing) => (Some(Output::Event(event)), missing),
            Packet::Unreadable(why, ack, missing) => (Some(Output::Unreadable { ack, why }), missing),
            Packet::Ack(missing) => (None, missing),
        };
        Ok(self.after_attachments(Partial { then, missing }))
    }

    /// One attachment has come.
    fn attachment(&mut self) -> Result<Vec<Output>, Malformed> {
        let Partial { then, missing } = self.partial.take().ok_or(Malformed("bytes that belong to no event"))?;
        Ok(self.after_attachments(Partial { then, missing: missing.saturating_sub(1) }))
    }

    /// What is to be done now, or else when all attachments have come.
    fn after_attachments(&mut self, partial: Partial) -> Vec<Output> {
        if partial.missing == 0 {
            return partial.then.into_iter().collect();
        }
        self.partial = Some(partial);
        Vec::new()
    }

    fn close(&mut self, why: Closed) -> Vec<Output> {
        self.standing = Standing::Over;
        vec![Output::Close(why)]
    }
}

/// What a packet to a namespace that there is not comes to. What is in it is not looked at.
fn elsewhere(letter: &Letter<'_>) -> Result<Vec<Output>, Malformed> {
    match letter.kind {
        Kind::Connect => Ok(vec![Output::Send(refused_frame(letter.namespace, "Invalid namespace"))]),
        Kind::Event | Kind::Ack if letter.attachments > 0 => Err(Malformed("attachments for a namespace that there is not")),
        // What follows to a namespace in which the client is not.
        Kind::Disconnect | Kind::Event | Kind::Ack => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// A session that polls carry, and the moment when it was opened.
    fn polled() -> (Session, Instant) {
        let now = Instant::now();
        (Session::open("s", Via::Polling, now).0, now)
    }

    /// One whose client is connected.
    fn connected(via: Via) -> (Session, Instant) {
        let now = Instant::now();
        let mut session = Session::open("s", via, now).0;
        assert_eq!(session.receive(message("0{\"entityId\":\"x\"}"), via, now), [Output::Connect(json!({"entityId": "x"}))]);
        session.accept("socket");
        (session, now)
    }

    fn message(text: &str) -> Engine {
        Engine::Message(text.into())
    }

    fn text(text: &str) -> Frame {
        Frame::Text(text.into())
    }

    fn event(name: &str) -> Output {
        Output::Event(Event { name: name.to_owned(), args: vec![json!(1)], ack: None })
    }

    fn malformed(outputs: &[Output]) -> bool {
        matches!(outputs, [Output::Close(Closed::Malformed(_))])
    }

    #[test]
    fn the_greeting_offers_a_websocket_to_those_who_poll() {
        let now = Instant::now();
        let greeting = |upgrades: &str| {
            text(&format!(
                "0{{\"sid\":\"s\",\"upgrades\":[{upgrades}],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}}"
            ))
        };
        assert_eq!(Session::open("s", Via::Polling, now).1, greeting("\"websocket\""));
        assert_eq!(Session::open("s", Via::Websocket, now).1, greeting(""));
    }

    #[test]
    fn a_client_connects_once_and_then_sends_events() {
        let (mut session, now) = polled();
        assert_eq!(session.receive(message("0"), Via::Polling, now), [Output::Connect(Value::Null)]);
        assert_eq!(session.refuse("no"), text("44{\"message\":\"no\"}"));
        assert_eq!(session.receive(message("0{}"), Via::Polling, now), [Output::Connect(json!({}))]);
        assert_eq!(session.accept("socket"), text("40{\"sid\":\"socket\"}"));
        assert_eq!(session.receive(message("2[\"a\",1]"), Via::Polling, now), [event("a")]);
        assert!(malformed(&session.receive(message("0{}"), Via::Polling, now)));
        assert_eq!(session.receive(message("2[\"a\",1]"), Via::Polling, now), []);
    }

    #[test]
    fn nothing_is_taken_from_a_client_that_has_not_connected() {
        for packet in [
            message("2[\"a\"]"),
            message("1"),
            message("51-[\"a\"]"),
            Engine::Binary(Bytes::new()),
            Engine::Upgrade,
            Engine::Ping("".into()),
        ] {
            let (mut session, now) = polled();
            assert!(malformed(&session.receive(packet.clone(), Via::Polling, now)), "{packet:?}");
        }
        let (mut session, now) = polled();
        assert_eq!(session.next_tick(), now + CONNECT_TIME);
        assert_eq!(session.tick(now + CONNECT_TIME.saturating_sub(Duration::from_millis(1))), []);
        assert_eq!(session.tick(now + CONNECT_TIME), [Output::Close(Closed::NotConnected)]);
    }

    #[test]
    fn other_namespaces_are_refused_and_passed_over() {
        let (mut session, now) = connected(Via::Websocket);
        let refused = Output::Send(text("44/admin,{\"message\":\"Invalid namespace\"}"));
        assert_eq!(session.receive(message("0/admin,"), Via::Websocket, now), [refused]);
        assert_eq!(session.receive(message("2/admin,[\"a\"]"), Via::Websocket, now), []);
        assert_eq!(session.receive(message("2[\"a\",1]"), Via::Websocket, now), [event("a")]);
    }

    #[test]
    fn what_goes_to_another_namespace_is_not_read() {
        let (mut session, now) = polled();
        let refused = Output::Send(text("44/x,{\"message\":\"Invalid namespace\"}"));
        // Whoever read these would find that they are no JSON, and close.
        assert_eq!(session.receive(message("0/x,[0,0"), Via::Polling, now), [refused]);
        assert_eq!(session.receive(message("2/x,{}"), Via::Polling, now), []);
        assert_eq!(session.receive(message("2/x,[null]"), Via::Polling, now), []);
        assert!(malformed(&session.receive(message("51-/x,[\"a\"]"), Via::Polling, now)));
    }

    #[test]
    fn who_asks_again_and_again_to_connect_is_sent_away() {
        for packet in ["0/x,", "0"] {
            let (mut session, now) = polled();
            for _ in 0..MAX_CONNECTS {
                assert_eq!(session.receive(message(packet), Via::Polling, now).len(), 1);
                session.refuse("no");
            }
            assert!(malformed(&session.receive(message(packet), Via::Polling, now)), "{packet}");
        }
    }

    #[test]
    fn an_event_comes_when_its_attachments_have() {
        let (mut session, now) = connected(Via::Websocket);
        let mut receive = |packet| session.receive(packet, Via::Websocket, now);
        assert_eq!(receive(message("52-[\"a\",1]")), []);
        assert_eq!(receive(Engine::Binary(Bytes::from_static(b"x"))), []);
        assert_eq!(receive(Engine::Binary(Bytes::from_static(b"y"))), [event("a")]);
        assert_eq!(receive(message("61-1[]")), []);
        assert_eq!(receive(Engine::Binary(Bytes::from_static(b"z"))), []);
        assert_eq!(receive(message("51-[\"a\",1]")), []);
        assert!(malformed(&receive(message("2[\"b\"]"))));
    }

    #[test]
    fn a_session_outlives_an_event_that_cannot_be_read() {
        let (mut session, now) = connected(Via::Websocket);
        let mut receive = |packet| session.receive(packet, Via::Websocket, now);
        let unreadable = |ack| Output::Unreadable { ack, why: Unreadable::NotJson };
        assert_eq!(receive(message("2[\"a\",\"\\ud800\"]")), [unreadable(None)]);
        assert_eq!(receive(message("27[\"a\",1e400]")), [unreadable(Some(7))]);
        assert_eq!(receive(message("2/admin,[1e400]")), []);
        assert_eq!(receive(message("52-3[\"a\",1e400]")), []);
        assert_eq!(receive(Engine::Binary(Bytes::from_static(b"x"))), []);
        assert_eq!(receive(Engine::Binary(Bytes::from_static(b"y"))), [unreadable(Some(3))]);
        assert_eq!(receive(message("2[\"a\",1]")), [event("a")]);
        let (mut session, now) = polled();
        assert!(malformed(&session.receive(message("0{\"a\":1e400}"), Via::Polling, now)));
        let (mut session, now) = polled();
        assert!(malformed(&session.receive(message("2[1e400]"), Via::Polling, now)));
    }

    #[test]
    fn a_silent_client_is_asked_and_then_given_up() {
        let (mut session, now) = connected(Via::Websocket);
        let asked = now + PING_INTERVAL;
        assert_eq!(session.next_tick(), asked);
        assert_eq!(session.tick(asked), [Output::Send(text("2"))]);
        assert_eq!(session.receive(Engine::Pong("".into()), Via::Websocket, asked), []);
        let asked = asked + PING_INTERVAL;
        assert_eq!(session.next_tick(), asked);
        assert_eq!(session.tick(asked), [Output::Send(text("2"))]);
        assert_eq!(session.next_tick(), asked + PING_TIMEOUT);
        assert_eq!(session.tick(asked + PING_TIMEOUT), [Output::Close(Closed::Silent)]);
    }

    #[test]
    fn a_websocket_takes_over_from_polls() {
        let (mut session, now) = connected(Via::Polling);
        let pong = Output::Answer(text("3probe"));
        assert_eq!(session.receive(Engine::Ping("probe".into()), Via::Websocket, now), [pong, Output::EndPoll]);
        assert!(session.is_upgrading());
        assert_eq!(session.receive(message("2[\"a\",1]"), Via::Polling, now), [event("a")]);
        assert_eq!(session.receive(Engine::Upgrade, Via::Websocket, now), [Output::Upgraded, Output::EndPoll]);
        assert_eq!(session.transport(), Via::Websocket);
        assert_eq!(session.receive(message("2[\"a\",1]"), Via::Polling, now), []);
        assert_eq!(session.receive(message("2[\"a\",1]"), Via::Websocket, now), [event("a")]);
    }

    #[test]
    fn a_websocket_that_has_not_knocked_takes_nothing_over() {
        let (mut session, now) = connected(Via::Polling);
        assert_eq!(session.receive(Engine::Upgrade, Via::Websocket, now), []);
        assert_eq!(session.receive(message("2[\"a\",1]"), Via::Websocket, now), []);
        session.receive(Engine::Ping("probe".into()), Via::Websocket, now);
        session.forget_upgrade();
        assert_eq!(session.receive(Engine::Upgrade, Via::Websocket, now), []);
        assert_eq!(session.transport(), Via::Polling);
    }

    #[test]
    fn a_client_may_leave() {
        for packet in [Engine::Close, message("1")] {
            let (mut session, now) = connected(Via::Websocket);
            assert_eq!(session.receive(packet, Via::Websocket, now), [Output::Close(Closed::ByClient)]);
        }
    }
}

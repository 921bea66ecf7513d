//! Packets of Socket.IO 5, inside messages of Engine.IO.

use std::fmt;

use core_types::json::{MAX_VALUES, has_more_values};
use serde::Serialize;
use serde_json::{Value, json};

use crate::engine::Frame;
use crate::{MAX_ATTACHMENTS, Malformed};

/// The only namespace that there is.
pub const ROOT: &str = "/";

/// An event that a client sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// What came with it. Where bytes belong, `{"_placeholder":true,"num":n}` stands for the n-th attachment; the bytes themselves are
    /// counted and dropped, since no event has a use for them.
    pub args: Vec<Value>,
    /// The number under which the client wants an answer.
    pub ack: Option<u64>,
}

/// Why the data of an event cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// They are no JSON, or none that can be held.
    NotJson,
    /// They have so many values that nobody reads them.
    TooManyValues,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson => formatter.write_str("The payload is not valid JSON"),
            Self::TooManyValues => write!(formatter, "The payload has more than {MAX_VALUES} values"),
        }
    }
}

/// What a client sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Packet {
    /// It wants to connect, with this `auth`; `null` where it sent none.
    Connect(Value),
    /// It leaves.
    Disconnect,
    /// An event, and how many binary attachments follow.
    Event(Event, usize),
    /// An event whose data cannot be read, and why; the number under which the client wants an answer, and how many attachments follow.
    Unreadable(Unreadable, Option<u64>, usize),
    /// An answer to an event of ours. We ask for none, so there is nothing in it for us; so many attachments follow.
    Ack(usize),
}

/// What kind of packet it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// [`Packet::Connect`].
    Connect,
    /// [`Packet::Disconnect`].
    Disconnect,
    /// [`Packet::Event`] or [`Packet::Unreadable`].
    Event,
    /// [`Packet::Ack`].
    Ack,
}

/// A packet as it came, whose data nobody has read yet: that takes time and many times its bytes, and is done for those alone to whom
/// an answer is owed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Letter<'a> {
    pub(crate) kind: Kind,
    pub(crate) namespace: &'a str,
    /// How many binary attachments follow.
    pub(crate) attachments: usize,
    id: Option<u64>,
    data: &'a str,
}

impl<'a> Letter<'a> {
    /// Takes a message.
    ///
    /// # Errors
    ///
    /// Where it is no packet that a client sends.
    pub(crate) fn of(text: &'a str) -> Result<Self, Malformed> {
        let (kind, rest) = text.split_at_checked(1).ok_or(Malformed("a socket packet is empty"))?;
        let (attachments, rest) = match kind {
            "5" | "6" => attachments(rest)?,
            _ => (0, rest),
        };
        let (namespace, rest) = namespace(rest);
        let (id, data) = id(rest)?;
        let kind = match kind {
            "0" => Kind::Connect,
            "1" => Kind::Disconnect,
            "2" | "5" if data.is_empty() => return Err(Malformed("an event has no data")),
            "2" | "5" => Kind::Event,
            "3" | "6" => Kind::Ack,
            _ => return Err(Malformed("a socket packet is of a type that clients do not send")),
        };
        Ok(Self { kind, namespace, attachments, id, data })
    }

    /// Reads the data.
    ///
    /// # Errors
    ///
    /// Where they are not what such a packet has.
    pub(crate) fn read(self) -> Result<Packet, Malformed> {
        Ok(match self.kind {
            Kind::Connect if self.data.is_empty() => Packet::Connect(Value::Null),
            Kind::Connect => Packet::Connect(read(self.data).map_err(|_| Malformed("the data of a packet are not JSON, or too much"))?),
            Kind::Disconnect => Packet::Disconnect,
            // JSON that a client may well write and that we cannot hold: half a surrogate pair, numbers or nesting beyond our bounds.
            // Which of them it is, and whether it is JSON at all, the reader does not tell apart.
            Kind::Event => match read(self.data) {
                Ok(data) => Packet::Event(event(data, self.id)?, self.attachments),
                Err(why) => Packet::Unreadable(why, self.id, self.attachments),
            },
            Kind::Ack => Packet::Ack(self.attachments),
        })
    }
}

/// `<count>-` before everything else of a binary packet.
fn attachments(text: &str) -> Result<(usize, &str), Malformed> {
    let (count, rest) = text.split_once('-').ok_or(Malformed("a binary packet does not say how many attachments it has"))?;
    let count = digits(count).and_then(|count| count.parse().ok()).filter(|count| *count <= MAX_ATTACHMENTS);
    Ok((count.ok_or(Malformed("a binary packet has too many attachments"))?, rest))
}

/// `/name,` before the number and the data; without it the root is meant.
fn namespace(text: &str) -> (&str, &str) {
    if !text.starts_with('/') {
        return (ROOT, text);
    }
    let (name, rest) = text.split_once(',').unwrap_or((text, ""));
    (name.split_once('?').map_or(name, |(name, _)| name), rest)
}

fn id(text: &str) -> Result<(Option<u64>, &str), Malformed> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    if number.is_empty() {
        return Ok((None, rest));
    }
    Ok((Some(number.parse().map_err(|_| Malformed("the number of an event is too large"))?), rest))
}

fn digits(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn event(data: Value, ack: Option<u64>) -> Result<Event, Malformed> {
    let mut args = match data {
        Value::Array(args) if !args.is_empty() => args,
        _ => return Err(Malformed("an event is not a list with a name")),
    };
    // A number is a name as well; `emit(1, ...)` sends one.
    let name = match args.remove(0) {
        Value::String(name) => name,
        Value::Number(number) => number.to_string(),
        _ => return Err(Malformed("the name of an event is no text")),
    };
    Ok(Event { name, args, ack })
}

fn read(data: &str) -> Result<Value, Unreadable> {
    if has_more_values(data.as_bytes(), MAX_VALUES) {
        return Err(Unreadable::TooManyValues);
    }
    serde_json::from_str(data).map_err(|_| Unreadable::NotJson)
}

/// An event of the server's.
pub fn event_frame(name: &str, payload: &impl Serialize) -> Frame {
    message(&format!("2{}", written(&(name, payload))))
}

/// The answer to a client's event of this number.
pub fn ack_frame(id: u64, payload: &impl Serialize) -> Frame {
    message(&format!("3{id}{}", written(&[payload])))
}

/// The server lets a client go.
pub fn disconnect_frame() -> Frame {
    message("1")
}

/// The client is connected, and its socket has this id.
pub(crate) fn connected_frame(socket_id: &str) -> Frame {
    message(&format!("0{}", json!({ "sid": socket_id })))
}

/// The client may not connect.
pub(crate) fn refused_frame(namespace: &str, reason: &str) -> Frame {
    let prefix = if namespace == ROOT { String::new() } else { format!("{namespace},") };
    message(&format!("4{prefix}{}", json!({ "message": reason })))
}

fn message(packet: &str) -> Frame {
    Frame::Text(["4", packet].concat().into())
}

/// What is sent is made of our own types, which are always JSON; `null` stands in for the defect that anything else would be.
fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The namespace of a packet, and what it is.
    fn decode(text: &str) -> Result<(&str, Packet), Malformed> {
        let letter = Letter::of(text)?;
        Ok((letter.namespace, letter.read()?))
    }

    fn named(name: &str, args: Vec<Value>, ack: Option<u64>) -> Event {
        Event { name: name.to_owned(), args, ack }
    }

    #[test]
    fn packets_are_read_as_the_protocol_has_them() {
        for (text, namespace, packet) in [
            ("0", "/", Packet::Connect(Value::Null)),
            ("0{\"token\":\"x\"}", "/", Packet::Connect(json!({"token": "x"}))),
            ("0/admin,{}", "/admin", Packet::Connect(json!({}))),
            ("0/admin?a=1,", "/admin", Packet::Connect(Value::Null)),
            ("1", "/", Packet::Disconnect),
            ("2[\"a\",1]", "/", Packet::Event(named("a", vec![json!(1)], None), 0)),
            ("212[\"a\"]", "/", Packet::Event(named("a", vec![], Some(12)), 0)),
            ("2[1,{}]", "/", Packet::Event(named("1", vec![json!({})], None), 0)),
            ("2/n,3[\"a\"]", "/n", Packet::Event(named("a", vec![], Some(3)), 0)),
            (
                "51-[\"a\",{\"_placeholder\":true,\"num\":0}]",
                "/",
                Packet::Event(named("a", vec![json!({"_placeholder": true, "num": 0})], None), 1),
            ),
            ("52-/n,3[\"a\"]", "/n", Packet::Event(named("a", vec![], Some(3)), 2)),
            ("31[]", "/", Packet::Ack(0)),
            ("61-1[]", "/", Packet::Ack(1)),
        ] {
            assert_eq!(decode(text), Ok((namespace, packet)), "{text}");
        }
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for text in
            ["", "x", "4{}", "2", "2{}", "2[]", "2[null]", "5[\"a\"]", "599-[\"a\"]", "5-[\"a\"]", "0{", "299999999999999999999[\"a\"]"]
        {
            assert!(decode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_event_whose_data_cannot_be_read_is_told_from_what_is_no_packet() {
        let deep = format!("212[\"a\",{}{}]", "[".repeat(1_000), "]".repeat(1_000));
        for (text, namespace, ack, attachments) in [
            ("2[\"a\",\"\\ud800\"]", "/", None, 0),
            ("27[\"a\",1e400]", "/", Some(7), 0),
            ("2[\"a\"", "/", None, 0),
            ("2x", "/", None, 0),
            (deep.as_str(), "/", Some(12), 0),
            ("2/n,3[1e400]", "/n", Some(3), 0),
            ("52-3[\"a\",1e400]", "/", Some(3), 2),
        ] {
            assert_eq!(decode(text), Ok((namespace, Packet::Unreadable(Unreadable::NotJson, ack, attachments))), "{text}");
        }
        for text in ["0{\"a\":1e400}", "0\"\\ud800\"", "2", "21", "51-", "2/n,"] {
            assert!(decode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_event_has_as_many_values_as_it_may_and_no_more() {
        // Its name is one of them, and the list another.
        let event = |kind: &str, values: usize| format!("{kind}[\"a\",[{}]]", vec!["[]"; values - 2].join(","));
        assert!(matches!(decode(&event("27", MAX_VALUES)), Ok((ROOT, Packet::Event(_, 0)))));
        for (kind, ack, attachments) in [("2", None, 0), ("27", Some(7), 0), ("51-7", Some(7), 1)] {
            let refused = Packet::Unreadable(Unreadable::TooManyValues, ack, attachments);
            assert_eq!(decode(&event(kind, MAX_VALUES + 1)), Ok((ROOT, refused)), "{kind}");
        }
        assert!(decode(&event("0", MAX_VALUES)).is_ok() && decode(&event("0", MAX_VALUES + 1)).is_err());
        let text = format!("2[\"a\",\"{}\"]", "[,\\\"".repeat(MAX_VALUES));
        assert!(matches!(decode(&text), Ok((ROOT, Packet::Event(_, 0)))), "a text is one value");
    }

    #[test]
    fn frames_are_written_as_the_protocol_has_them() {
        for (frame, text) in [
            (event_frame("a", &json!({"b": 1})), "42[\"a\",{\"b\":1}]"),
            (ack_frame(7, &json!({"ok": true})), "437[{\"ok\":true}]"),
            (disconnect_frame(), "41"),
            (connected_frame("x"), "40{\"sid\":\"x\"}"),
            (refused_frame(ROOT, "no"), "44{\"message\":\"no\"}"),
            (refused_frame("/admin", "no"), "44/admin,{\"message\":\"no\"}"),
        ] {
            assert_eq!(frame, Frame::Text(text.into()));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_read_or_refused(text in "[0-6]{1,2}[0-9/a,\\-\\[\\]{}\":]{0,40}") {
            let _ = decode(&text);
        }

        #[test]
        fn an_event_is_written_so_that_it_is_read_as_the_same(name in "\\PC{0,12}", payload in "\\PC{0,24}", number: i64) {
            let payload = json!({"text": payload, "number": number});
            let Frame::Text(text) = event_frame(&name, &payload) else { panic!("text") };
            let expected = Packet::Event(Event { name, args: vec![payload], ack: None }, 0);
            // Without the `4` of Engine.IO.
            prop_assert_eq!(decode(&text[1..]), Ok((ROOT, expected)));
        }
    }
}

//! Packets of Engine.IO 4, and payloads of its long polls.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use bytestring::ByteString;

use crate::Malformed;

/// Between the packets of a poll's payload.
const SEPARATOR: char = '\u{1e}';

/// What goes over a websocket as one message, and into a poll as one packet. Clones share their bytes, so that what a room is
/// told is written once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A packet as text.
    Text(ByteString),
    /// The bytes of a binary message.
    Binary(Bytes),
}

impl Frame {
    /// How many bytes it takes on a websocket.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it has no bytes; no packet is like that.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// The server's greeting, as JSON.
    Open(ByteString),
    /// The end of the session.
    Close,
    /// A sign of life that is asked for, or a probe.
    Ping(ByteString),
    /// The sign of life, or the answer to a probe.
    Pong(ByteString),
    /// A message of the protocol above.
    Message(ByteString),
    /// The websocket takes over from the polls.
    Upgrade,
    /// Ends a poll that has nothing to say.
    Noop,
    /// A binary message of the protocol above.
    Binary(Bytes),
}

impl Packet {
    /// How many bytes it has beside its type.
    pub fn size(&self) -> usize {
        match self {
            Self::Open(rest) | Self::Ping(rest) | Self::Pong(rest) | Self::Message(rest) => rest.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Close | Self::Upgrade | Self::Noop => 0,
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    ///
    /// Where it begins with no type of packet.
    pub fn decode(text: &ByteString) -> Result<Self, Malformed> {
        let (kind, rest) = text.split_at_checked(1).ok_or(Malformed("an engine packet is empty"))?;
        Ok(match kind {
            "0" => Self::Open(text.slice_ref(rest)),
            "1" => Self::Close,
            "2" => Self::Ping(text.slice_ref(rest)),
            "3" => Self::Pong(text.slice_ref(rest)),
            "4" => Self::Message(text.slice_ref(rest)),
            "5" => Self::Upgrade,
            "6" => Self::Noop,
            _ => return Err(Malformed("an engine packet is of an unknown type")),
        })
    }

    /// Writes it.
    pub fn encode(&self) -> Frame {
        let text = |kind: &str, rest: &str| Frame::Text([kind, rest].concat().into());
        match self {
            Self::Open(rest) => text("0", rest),
            Self::Close => Frame::Text(ByteString::from_static("1")),
            Self::Ping(rest) => text("2", rest),
            Self::Pong(rest) => text("3", rest),
            Self::Message(rest) => text("4", rest),
            Self::Upgrade => Frame::Text(ByteString::from_static("5")),
            Self::Noop => Frame::Text(ByteString::from_static("6")),
            Self::Binary(bytes) => Frame::Binary(bytes.clone()),
        }
    }
}

/// Reads the payload that a client posts: packets between separators, bytes as base64 behind a `b`.
///
/// # Errors
///
/// Where a packet cannot be read, or where there are more than `most`.
pub fn decode_payload(payload: &ByteString, most: usize) -> Result<Vec<Packet>, Malformed> {
    let mut packets = Vec::new();
    for part in payload.split(SEPARATOR) {
        if packets.len() == most {
            return Err(Malformed("a payload has too many packets"));
        }
        packets.push(match part.strip_prefix('b') {
            Some(encoded) => {
                let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| Malformed("a binary packet is not base64"))?;
                Packet::Binary(bytes.into())
            }
            None => Packet::decode(&payload.slice_ref(part))?,
        });
    }
    Ok(packets)
}

/// Writes a payload for a poll.
pub fn encode_payload(frames: &[Frame]) -> String {
    let mut payload = String::with_capacity(frames.iter().map(|frame| frame.len() + 1).sum());
    for frame in frames {
        if !payload.is_empty() {
            payload.push(SEPARATOR);
        }
        match frame {
            Frame::Text(text) => payload.push_str(text),
            Frame::Binary(bytes) => {
                payload.push('b');
                BASE64_STANDARD.encode_string(bytes, &mut payload);
            }
        }
    }
    payload
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_payload_is_packets_between_separators() {
        let payload = ByteString::from_static("4hello\u{1e}2probe\u{1e}bAQID\u{1e}6");
        let packets = decode_payload(&payload, 4).unwrap();
        let expected =
            [Packet::Message("hello".into()), Packet::Ping("probe".into()), Packet::Binary(Bytes::from_static(&[1, 2, 3])), Packet::Noop];
        assert_eq!(packets, expected);
        assert_eq!(packets.iter().map(Packet::size).collect::<Vec<_>>(), [5, 5, 3, 0]);
        let frames: Vec<_> = packets.iter().map(Packet::encode).collect();
        assert_eq!(encode_payload(&frames), &*payload);
        assert!(decode_payload(&payload, 3).is_err());
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for text in ["", "7", "x", "\u{1e}", "4a\u{1e}", "b***", "é"] {
            assert!(decode_payload(&ByteString::from(text), 10).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_read_or_refused(text in "[0-7b\u{1e}a-c\\-,\\[\\]\"é]{0,40}") {
            if let Ok(packets) = decode_payload(&ByteString::from(text.clone()), 64) {
                let frames: Vec<_> = packets.iter().map(Packet::encode).collect();
                prop_assert_eq!(decode_payload(&encode_payload(&frames).into(), 64), Ok(packets));
            }
        }
    }
}

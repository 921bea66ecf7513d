//! Payloads of Engine.IO: what is read is written the same again.
#![no_main]

use bytestring::ByteString;
use libfuzzer_sys::fuzz_target;
use realtime::engine::{Packet, decode_payload, encode_payload};

/// As many packets as the server takes at once.
const MOST: usize = 64;

fuzz_target!(|text: &str| {
    let Ok(packets) = decode_payload(&ByteString::from(text), MOST) else { return };
    assert!(packets.len() <= MOST);
    let frames: Vec<_> = packets.iter().map(Packet::encode).collect();
    let again = decode_payload(&encode_payload(&frames).into(), MOST).expect("what was written can be read");
    assert_eq!(packets, again);
});

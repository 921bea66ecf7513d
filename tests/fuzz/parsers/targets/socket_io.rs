//! A conversation of Socket.IO: whatever a client sends in whatever order, the session goes on or ends, and says little.
#![no_main]

use std::time::{Duration, Instant};

use bytestring::ByteString;
use libfuzzer_sys::fuzz_target;
use realtime::engine::Packet;
use realtime::{Output, Session, Via};

fuzz_target!(|text: &str| {
    let mut now = Instant::now();
    let (mut session, _greeting) = Session::open("a-session", Via::Polling, now);
    for line in text.split('\u{1e}') {
        let (via, line) = match line.strip_prefix('w') {
            Some(rest) => (Via::Websocket, rest),
            None => (Via::Polling, line),
        };
        let mut outputs = match line.strip_prefix('t') {
            Some(_) => {
                now += Duration::from_secs(9);
                session.tick(now)
            }
            None => match Packet::decode(&ByteString::from(line)) {
                Ok(packet) => session.receive(packet, via, now),
                Err(_) => Vec::new(),
            },
        };
        assert!(outputs.len() <= 8, "{outputs:?}");
        if outputs.iter().any(|output| matches!(output, Output::Connect(_))) {
            outputs.push(Output::Send(session.accept("a-socket")));
        }
    }
});

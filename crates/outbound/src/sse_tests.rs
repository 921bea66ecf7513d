use super::{Event, EventDecoder, EventTooLong};

fn decode(portions: &[&[u8]]) -> Vec<Event> {
    let mut decoder = EventDecoder::new(1024);
    let mut events = Vec::new();
    for portion in portions {
        decoder.feed(portion).expect("small events");
        events.extend(std::iter::from_fn(|| decoder.next_event()));
    }
    events
}

fn event(event: &str, data: &str, id: &str) -> Event {
    Event { event: event.to_owned(), data: data.to_owned(), id: id.to_owned() }
}

#[test]
fn streams_are_read_as_the_standard_says() {
    let cases: &[(&str, Vec<Event>)] = &[
        ("data: one\n\ndata: two\n\n", vec![event("message", "one", ""), event("message", "two", "")]),
        ("data: a\ndata: b\n\n", vec![event("message", "a\nb", "")]),
        ("event: chunk\r\ndata: x\r\n\r\n", vec![event("chunk", "x", "")]),
        ("event: chunk\rdata: x\r\r", vec![event("chunk", "x", "")]),
        ("data:x\n\n", vec![event("message", "x", "")]),
        ("data:  x\n\n", vec![event("message", " x", "")]),
        (": a comment\n\ndata: x\n: another\n\n", vec![event("message", "x", "")]),
        ("\u{feff}data: x\n\n", vec![event("message", "x", "")]),
        ("id: 7\ndata: x\n\ndata: y\n\n", vec![event("message", "x", "7"), event("message", "y", "7")]),
        ("id: 7\nid: a\0b\ndata: x\n\n", vec![event("message", "x", "7")]),
        ("data\n\n", vec![event("message", "", "")]),
        ("event: lonely\n\ndata: x\n\n", vec![event("message", "x", "")]),
        ("retry: 10\nunknown: y\ndata: x\n\n", vec![event("message", "x", "")]),
        ("data: unfinished\n", vec![]),
        ("data: unfinished", vec![]),
        ("data: {\"a\": \"b:c\"}\n\n", vec![event("message", "{\"a\": \"b:c\"}", "")]),
    ];
    for (stream, expected) in cases {
        assert_eq!(decode(&[stream.as_bytes()]), *expected, "{stream:?}");
    }
}

#[test]
fn it_does_not_matter_where_a_stream_is_split() {
    let stream = "\u{feff}id: 1\r\nevent: piece\r\ndata: grüße 🦀\r\ndata: 東京\r\n\r\n: ping\r\rdata: x\n\n".as_bytes();
    let whole = decode(&[stream]);
    assert_eq!(whole, [event("piece", "grüße 🦀\n東京", "1"), event("message", "x", "1")]);
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let portions = [&stream[..first], &stream[first..second], &stream[second..]];
            assert_eq!(decode(&portions), whole, "split at {first} and {second}");
        }
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced() {
    assert_eq!(decode(&[b"data: a\xffb\n\n"]), [event("message", "a\u{fffd}b", "")]);
}

#[test]
fn an_event_cannot_grow_without_end() {
    let mut decoder = EventDecoder::new(100);
    assert_eq!(decoder.feed(&[b'x'; 101]), Err(EventTooLong), "a line without an end");
    let mut decoder = EventDecoder::new(100);
    let endless = "data: 12345\n".repeat(50);
    assert_eq!(decoder.feed(endless.as_bytes()), Err(EventTooLong), "an event without an end");
    let mut decoder = EventDecoder::new(100);
    let many = "data: 12345\n\n".repeat(50);
    assert_eq!(decoder.feed(many.as_bytes()), Ok(()), "many small events are fine");
}

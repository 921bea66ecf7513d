use core_types::models::{NoSink, TextResponse, ToolCall, Usage};
use outbound::models::{Broken, Draft, Progress};
use serde_json::{Value, json};

use super::read_event;

fn assemble(events: Vec<Value>) -> TextResponse {
    let mut draft = Draft::new(&NoSink);
    for event in events {
        read_event(&event.to_string(), &mut draft).expect("an event");
    }
    draft.response("asked")
}

fn block(index: usize, block: &Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: usize, delta: &Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn arguments(index: usize, piece: &str) -> Value {
    delta(index, &json!({"type": "input_json_delta", "partial_json": piece}))
}

fn tool(index: usize, id: &str, input: &Value) -> Value {
    block(index, &json!({"type": "tool_use", "id": id, "name": "DICE", "input": input}))
}

fn call(id: &str, arguments: Value) -> ToolCall {
    ToolCall { id: id.to_owned(), name: "DICE".to_owned(), arguments }
}

#[test]
fn text_usage_and_model_are_gathered_and_thoughts_are_not() {
    let response = assemble(vec![
        json!({"type": "message_start", "message": {"type": "message", "model": "m-1", "content": [], "stop_reason": null,
            "usage": {"input_tokens": 3, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 500, "output_tokens": 1}}}),
        block(0, &json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, &json!({"type": "thinking_delta", "thinking": "Hm."})),
        delta(0, &json!({"type": "signature_delta", "signature": "EosnCk"})),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "ping"}),
        block(1, &json!({"type": "text", "text": ""})),
        delta(1, &json!({"type": "text_delta", "text": "He"})),
        delta(1, &json!({"type": "text_delta", "text": "llo"})),
        json!({"type": "something_new", "index": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 7}}),
    ]);
    let usage = Usage { input: 543, output: 7 };
    assert_eq!(response, TextResponse { text: "Hello".to_owned(), calls: Vec::new(), usage, model: "m-1".to_owned() });
}

#[test]
fn calls_are_put_together_by_their_index() {
    let response = assemble(vec![
        tool(0, "a", &json!({})),
        tool(1, "b", &json!({})),
        arguments(1, "{\"x\""),
        arguments(0, ""),
        arguments(1, ": 1}"),
        tool(2, "c", &json!({"came": "whole"})),
        tool(3, "d", &json!({})),
        arguments(3, "{\"cut off"),
        arguments(9, "{}"),
    ]);
    let expected = [call("a", json!({})), call("b", json!({"x": 1})), call("c", json!({"came": "whole"})), call("d", json!({}))];
    assert_eq!(response.calls, expected);
}

#[test]
fn a_message_is_finished_with_a_reason_and_over_with_its_stop() {
    let mut draft = Draft::new(&NoSink);
    let mut take = |event: Value| {
        let progress = read_event(&event.to_string(), &mut draft).expect("an event");
        (progress, draft.is_answered(), draft.is_finished())
    };
    assert_eq!(take(json!({"type": "ping"})), (Progress::GoesOn, false, false));
    assert_eq!(take(json!({"type": "message_start", "message": {"content": []}})), (Progress::GoesOn, true, false));
    assert_eq!(take(json!({"type": "message_delta", "delta": {"stop_reason": null}})), (Progress::GoesOn, true, false));
    assert_eq!(take(json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}})), (Progress::GoesOn, true, true));
    assert_eq!(take(json!({"type": "message_stop"})), (Progress::Over, true, true));
}

#[test]
fn an_error_stands_for_its_status() {
    for (kind, expected) in [("overloaded_error", Some(529)), ("authentication_error", Some(401)), ("new_error", None)] {
        let event = json!({"type": "error", "error": {"type": kind, "message": "No."}});
        let broken = read_event(&event.to_string(), &mut Draft::new(&NoSink)).expect_err("an error");
        assert!(matches!(&broken, Broken::Reported { status, message } if *status == expected && message == "No."), "{broken:?}");
    }
}

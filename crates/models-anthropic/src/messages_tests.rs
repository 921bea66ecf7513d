use core_types::models::{Attachment, Role, TextRequest, ToolCall, Turn};
use serde_json::{Value, json};
use testkit::asking::greeting;

use super::messages;

fn written(turns: Vec<Turn>, images: bool) -> Vec<Value> {
    messages(&TextRequest { turns, ..greeting() }, images)
}

fn user(author: &str, text: &str) -> Turn {
    Turn::text(Role::User, author, text)
}

fn agent(text: &str) -> Turn {
    Turn::text(Role::Assistant, "Ada", text)
}

fn said(role: &str, texts: &[&str]) -> Value {
    json!({"role": role, "content": texts.iter().map(|text| json!({"type": "text", "text": text})).collect::<Vec<_>>()})
}

#[test]
fn neighbours_of_one_role_are_one_message_and_say_who_speaks_where_several_do() {
    let alone = written(vec![user("Ann", "Hi"), user("Ann", "Ada?"), agent("Yes?"), user("Ann", "Well")], true);
    assert_eq!(alone, [said("user", &["Hi", "Ada?"]), said("assistant", &["Yes?"]), said("user", &["Well"])]);
    let together = written(vec![user("Ann", "Hi"), user("Bob", "Ada?"), agent("Yes?"), agent("Both?"), user("Bob", "Well")], true);
    assert_eq!(together, [said("user", &["Ann: Hi", "Bob: Ada?"]), said("assistant", &["Yes?", "Both?"]), said("user", &["Bob: Well"])]);
}

#[test]
fn the_user_has_the_first_and_the_last_word_and_blank_ones_do_not_count() {
    let silence = || said("user", &["…"]);
    for (turns, expected) in [
        (vec![], vec![silence()]),
        (vec![user("Ann", " \n")], vec![silence()]),
        (vec![agent("Hello"), user("Ann", "Hi")], vec![silence(), said("assistant", &["Hello"]), said("user", &["Hi"])]),
        (vec![user("Ann", "Hi"), agent("Hello")], vec![said("user", &["Hi"]), said("assistant", &["Hello"]), silence()]),
        (vec![user("Ann", "Hi"), agent(""), user("Ann", "Ada?")], vec![said("user", &["Hi", "Ada?"])]),
    ] {
        let shown = format!("{turns:?}");
        assert_eq!(written(turns, true), expected, "{shown}");
    }
}

#[test]
fn calls_are_followed_by_their_answers() {
    let call = |id: &str, name: &str, arguments| ToolCall { id: id.to_owned(), name: name.to_owned(), arguments };
    let called = Turn { calls: vec![call("c1", "DICE", json!({"sides": 6})), call("c2", "COIN", json!({}))], ..agent("Look:") };
    let answered = |id: &str, text: &str| Turn { call_id: Some(id.to_owned()), ..Turn::text(Role::Tool, "DICE", text) };
    assert_eq!(
        written(vec![user("Ann", "Throw"), called, answered("c1", "4"), answered("c2", ""), user("Ann", "And?")], true)[1..],
        [
            json!({"role": "assistant", "content": [
                {"type": "text", "text": "Look:"},
                {"type": "tool_use", "id": "c1", "name": "DICE", "input": {"sides": 6}},
                {"type": "tool_use", "id": "c2", "name": "COIN", "input": {}},
            ]}),
            json!({"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "4"}]},
                {"type": "tool_result", "tool_use_id": "c2"},
                {"type": "text", "text": "And?"},
            ]}),
        ]
    );
}

#[test]
fn only_images_whose_bytes_are_there_are_sent_as_images() {
    let mentioned = |title: &str, kind: &str| json!([{"type": "text", "text": format!("Look\n[attached: {title}, {kind}]")}]);
    let bytes = Some(&b"PNG"[..]);
    for (content, kind, title, images, expected) in [
        (
            bytes,
            "image/png",
            "A",
            true,
            json!([
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "UE5H"}},
                {"type": "text", "text": "Look"},
            ]),
        ),
        (bytes, "image/png", "A", false, mentioned("A", "image/png")),
        (bytes, "image/svg+xml", "A", true, mentioned("A", "image/svg+xml")),
        (None, "image/png", "", true, mentioned("without a name", "image/png")),
        (None, "", "A", true, mentioned("A", "unknown type")),
    ] {
        let (url, content) = ("https://example.com/a.png".to_owned(), content.map(Into::into));
        let attachment = Attachment { url, content_type: kind.to_owned(), title: title.to_owned(), content };
        let turn = Turn { attachments: vec![attachment], ..user("Ann", "Look") };
        assert_eq!(written(vec![turn], images)[0]["content"], expected, "{kind} {images}");
    }
}

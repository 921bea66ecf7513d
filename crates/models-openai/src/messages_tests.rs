use core_types::models::{Attachment, Role, TextRequest, ToolCall, Turn};
use serde_json::{Value, json};
use testkit::asking::greeting;

use super::messages;

fn request(turns: Vec<Turn>) -> TextRequest {
    TextRequest { system: "Be kind.".to_owned(), turns, ..greeting() }
}

fn user(author: &str, text: &str) -> Turn {
    Turn::text(Role::User, author, text)
}

fn with(content: Option<&'static [u8]>, content_type: &str, title: &str) -> Turn {
    let url = "https://example.com/a.png".to_owned();
    let content = content.map(Into::into);
    let attachment = Attachment { url, content_type: content_type.to_owned(), title: title.to_owned(), content };
    Turn { attachments: vec![attachment], ..user("Ann", "Look") }
}

#[test]
fn names_are_said_only_where_several_people_speak() {
    let agent = Turn::text(Role::Assistant, "Ada", "Yes?");
    let alone = messages(&request(vec![user("Ann", "Hi"), agent.clone(), user("Ann", "Well")]), true);
    assert_eq!(
        alone,
        [
            json!({"role": "system", "content": "Be kind."}),
            json!({"role": "user", "content": "Hi"}),
            json!({"role": "assistant", "content": "Yes?"}),
            json!({"role": "user", "content": "Well"}),
        ]
    );
    let together = messages(&request(vec![user("Ann", "Hi"), agent, user("Bob", "Well")]), true);
    let said: Vec<_> = together.iter().filter_map(|message| message.get("content")?.as_str()).collect();
    assert_eq!(said, ["Be kind.", "Ann: Hi", "Yes?", "Bob: Well"]);
}

#[test]
fn calls_and_their_answers_are_paired() {
    let call = ToolCall { id: "c1".to_owned(), name: "DICE".to_owned(), arguments: json!({"sides": 6}) };
    let called = Turn { calls: vec![call], ..Turn::text(Role::Assistant, "Ada", "") };
    let answered = Turn { call_id: Some("c1".to_owned()), ..Turn::text(Role::Tool, "DICE", "4") };
    let silent = Turn::text(Role::Assistant, "Ada", "");
    assert_eq!(
        messages(&request(vec![called, answered, silent]), true)[1..],
        [
            json!({"role": "assistant", "content": null, "tool_calls":
                [{"id": "c1", "type": "function", "function": {"name": "DICE", "arguments": "{\"sides\":6}"}}]}),
            json!({"role": "tool", "tool_call_id": "c1", "content": "4"}),
        ]
    );
}

#[test]
fn only_images_whose_bytes_are_there_are_sent_as_images() {
    let mentioned = |title: &str, kind: &str| json!(format!("Look\n[attached: {title}, {kind}]"));
    let bytes = Some(&b"PNG"[..]);
    let cases: [(Turn, bool, Value); 5] = [
        (
            with(bytes, "image/png", "A"),
            true,
            json!([{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,UE5H"}}]),
        ),
        (with(bytes, "image/png", "A"), false, mentioned("A", "image/png")),
        (with(bytes, "application/pdf", "A"), true, mentioned("A", "application/pdf")),
        (with(None, "image/png", ""), true, mentioned("without a name", "image/png")),
        (with(None, "", "A"), true, mentioned("A", "unknown type")),
    ];
    for (turn, images, expected) in cases {
        let shown = format!("{turn:?} {images}");
        assert_eq!(messages(&request(vec![turn]), images)[1]["content"], expected, "{shown}");
    }
}

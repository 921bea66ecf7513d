use core_types::models::{Attachment, Role, TextRequest, ToolSpec, Turn};
use outbound::models::Manner;
use serde_json::json;
use testkit::asking::greeting;

use super::{Field, THOUGHT_TOKENS, body, refused_field};

const MANNER: Manner<'_, Field> = Manner { model: "m", images: true, at_default_address: true, left_out: &[] };

fn request() -> TextRequest {
    let url = "https://example.com/a.png".to_owned();
    let content = Some(b"PNG"[..].into());
    let picture = Attachment { url, content_type: "image/png".to_owned(), title: "A".to_owned(), content };
    TextRequest {
        turns: vec![Turn { attachments: vec![picture], ..Turn::text(Role::User, "Ann", "Look") }],
        tools: vec![ToolSpec { name: "T".to_owned(), description: "d".to_owned(), parameters: json!({"type": "object"}) }],
        temperature: Some(0.7),
        ..greeting()
    }
}

#[test]
fn a_request_has_all_fields_and_can_do_without_some() {
    let picture = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "UE5H"}});
    let messages = json!([{"role": "user", "content": [picture, {"type": "text", "text": "Look"}]}]);
    assert_eq!(
        body(&request(), MANNER),
        json!({
            "model": "m", "max_tokens": 50, "messages": messages, "stream": true, "system": "You are Ada.", "temperature": 0.7,
            "thinking": {"type": "disabled"}, "tools": [{"name": "T", "description": "d", "input_schema": {"type": "object"}}],
        })
    );
    let all = [Field::Temperature, Field::Tools, Field::NoThinking, Field::ThinkingBetweenTools];
    let bare = TextRequest { system: " ".to_owned(), ..request() };
    let least = json!({"model": "m", "max_tokens": 50 + THOUGHT_TOKENS, "messages": messages, "stream": true});
    assert_eq!(body(&bare, Manner { left_out: &all, ..MANNER }), least);
}

#[test]
fn a_temperature_is_between_0_and_1() {
    for (wanted, sent) in [(None, None), (Some(-1.0), Some(0.0)), (Some(0.0), Some(0.0)), (Some(1.3), Some(1.0)), (Some(2.0), Some(1.0))] {
        let body = body(&TextRequest { temperature: wanted, ..request() }, MANNER);
        assert_eq!(body.get("temperature").and_then(serde_json::Value::as_f64), sent, "{wanted:?}");
    }
}

#[test]
fn a_field_is_left_out_only_where_the_model_says_so() {
    let sent = body(&request(), MANNER);
    let between = body(&request(), Manner { left_out: &[Field::NoThinking], ..MANNER });
    assert_eq!(between["thinking"], json!({"type": "between_tools"}));
    for (sent, refusal, field) in [
        (&sent, "`temperature` is deprecated for this model.", Some(Field::Temperature)),
        (&sent, "this model does not support tools", Some(Field::Tools)),
        (&sent, r#""thinking.type.disabled" is not supported for this model."#, Some(Field::NoThinking)),
        (
            &sent,
            r#"To turn thinking off on this model, send "thinking": {"type": "between_tools"} instead of {"type": "disabled"}."#,
            Some(Field::NoThinking),
        ),
        (&sent, "thinking: Extra inputs are not permitted", Some(Field::NoThinking)),
        (
            &between,
            "thinking: Input tag 'between_tools' found using 'type' does not match any of the expected tags: 'adaptive', 'disabled'",
            Some(Field::ThinkingBetweenTools),
        ),
        (&sent, "prompt is too long: 250000 tokens > 200000 maximum", None),
        (&sent, "max_tokens: must be greater than or equal to 1", None),
        (&sent, "temperature: must be at most 1", None),
    ] {
        assert_eq!(refused_field(sent, refusal), field, "{refusal}");
    }
}

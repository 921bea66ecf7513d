//! The model behind the server under test: an OpenAI-compatible service whose answers are known (contract §6.6).
//!
//! It serves chat completions and embeddings, and the newer responses, which the plugin of the reference asks for; whatever it
//! should say aloud is silence, and whatever it hears is a test. What it says depends on what is in the request, so that it
//! means the same for both servers:
//!
//! | in the request | answer |
//! | --- | --- |
//! | `ConfFail`, in the name of an agent | 400: the model fails |
//! | `ConfMute`, likewise | the agent chooses silence, if asked whether to speak and if asked what to say |
//! | a wish for a title, without a word of `<response>` | a title |
//! | anything else | the agent chooses to speak, and says `pong` |

use std::io;

use serde_json::{Value, json};
use testkit::scripted::{Recorded, Reply, ScriptedModel};

/// Serves the model on a port of 127.0.0.1; 0 is any free one.
pub async fn serve(port: u16) -> io::Result<ScriptedModel> {
    ScriptedModel::on_port(port, answer).await
}

/// Embeddings of this length are among those that the reference can store.
const DIMENSIONS: usize = 1536;

const SPEAKS: &str = "<response><name>X</name><reasoning>r</reasoning><action>RESPOND</action><thought>t</thought>\
    <actions>REPLY</actions><providers></providers><text>pong</text></response>";
const IS_SILENT: &str = "<response><name>X</name><reasoning>r</reasoning><action>IGNORE</action><thought>t</thought>\
    <actions>IGNORE</actions><providers></providers><text></text></response>";
const TITLE: &str = "A talk about ping and pong";

fn answer(request: &Recorded) -> Reply {
    let path = request.path.split('?').next().unwrap_or_default();
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match last {
        "embeddings" => Reply::Plain(embeddings(&request.body)),
        "speech" => Reply::Bytes("audio/mpeg", crate::case::sample("wav").unwrap_or_default().to_vec()),
        "transcriptions" => Reply::Plain(json!({"text": "this is a test transcription"})),
        "models" => Reply::Plain(json!({"object": "list", "data": [{"id": "stub", "object": "model"}]})),
        "completions" | "responses" => {
            let text = request.body.to_string();
            if text.contains("ConfFail") {
                return Reply::status(400, r#"{"error":{"message":"this model always fails","type":"invalid_request_error"}}"#);
            }
            let said = said(&text, request.body.get("tools").is_some());
            if last == "responses" { response(said, &request.body) } else { Reply::Text(pieces(said)) }
        }
        _ => Reply::status(404, r#"{"error":{"message":"no such path"}}"#),
    }
}

fn said(request: &str, has_tools: bool) -> &'static str {
    if request.contains("ConfMute") {
        IS_SILENT
    } else if !has_tools && !request.contains("<response>") && request.to_lowercase().contains("title") {
        TITLE
    } else {
        SPEAKS
    }
}

/// A few letters at a time, so that readers of a stream meet words that are cut.
fn pieces(text: &str) -> Vec<String> {
    text.as_bytes().chunks(7).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
}

/// The same text has the same vector, and none is zero.
fn embeddings(body: &Value) -> Value {
    let inputs = match body.get("input") {
        Some(Value::Array(inputs)) => inputs.clone(),
        Some(other) => vec![other.clone()],
        None => Vec::new(),
    };
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| json!({"object": "embedding", "index": index, "embedding": vector(input)}))
        .collect();
    json!({"object": "list", "data": data, "model": body.get("model"), "usage": {"prompt_tokens": 1, "total_tokens": 1}})
}

fn vector(input: &Value) -> Vec<f64> {
    let mut vector = vec![0.001; DIMENSIONS];
    for (index, byte) in input.as_str().unwrap_or_default().bytes().enumerate() {
        if let Some(place) = vector.get_mut((index * 31 + usize::from(byte) * 7) % DIMENSIONS) {
            *place += 0.1;
        }
    }
    vector
}

/// A text in the form of the responses API, whole or as a stream.
fn response(text: &str, request: &Value) -> Reply {
    let usage = json!({"input_tokens": 1, "output_tokens": 1, "total_tokens": 2});
    let item = json!({"type": "message", "id": "msg_stub", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}]});
    let whole = json!({"id": "resp_stub", "object": "response", "created_at": 0, "model": request.get("model"), "status": "completed",
        "output": [item], "usage": usage, "incomplete_details": null, "error": null});
    if request.get("stream") != Some(&Value::Bool(true)) {
        return Reply::Plain(whole);
    }
    let begun = json!({"type": "message", "id": "msg_stub", "role": "assistant", "status": "in_progress", "content": []});
    let mut events = vec![
        json!({"type": "response.created", "response": {"id": "resp_stub", "object": "response", "created_at": 0, "model": request.get("model"), "status": "in_progress", "output": []}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": begun}),
    ];
    events.extend(pieces(text).into_iter().map(
        |piece| json!({"type": "response.output_text.delta", "item_id": "msg_stub", "output_index": 0, "content_index": 0, "delta": piece}),
    ));
    events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
    events.push(json!({"type": "response.completed", "response": whole}));
    Reply::Portions(
        events
            .iter()
            .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()).into_bytes())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use testkit::scripted::{Recorded, Reply};

    use super::answer;

    fn asked(path: &str, body: Value) -> Reply {
        answer(&Recorded { path: path.to_owned(), headers: Vec::new(), body, bytes: Vec::new() })
    }

    fn text(reply: &Reply) -> String {
        match reply {
            Reply::Text(pieces) => pieces.concat(),
            Reply::Plain(document) => document.to_string(),
            Reply::Status { code, .. } => code.to_string(),
            Reply::Portions(portions) => portions.iter().map(|portion| String::from_utf8_lossy(portion).into_owned()).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_it_says_depends_on_the_request() {
        for (path, content, said) in [
            ("/v1/chat/completions", "hello", "<text>pong</text>"),
            ("/v1/chat/completions", "You are ConfMute1.", "<action>IGNORE</action>"),
            ("/v1/chat/completions", "You are ConfFail1.", "400"),
            ("/v1/chat/completions", "Give this a Title.", "A talk"),
            ("/v1/responses", "hello", "<text>pong</text>"),
            ("/v1/models", "", "stub"),
            ("/v1/audio/transcriptions", "", "this is a test"),
            ("/v1/other", "", "404"),
        ] {
            let reply = text(&asked(path, json!({"messages": [{"role": "user", "content": content}]})));
            assert!(reply.contains(said), "{path} {content}: {reply}");
        }
    }

    #[test]
    fn a_response_is_streamed_where_it_is_wanted() {
        let streamed = text(&asked("/v1/responses", json!({"input": "hello", "stream": true})));
        assert!(streamed.starts_with("event: response.created\ndata: {"), "{streamed}");
        assert!(streamed.contains("event: response.completed\n"), "{streamed}");
    }

    #[test]
    fn the_same_text_has_the_same_vector() {
        let Reply::Plain(answer) = asked("/v1/embeddings", json!({"input": ["a", "b", "a"]})) else { panic!("no document") };
        let vectors: Vec<&Value> = answer["data"].as_array().unwrap().iter().map(|item| &item["embedding"]).collect();
        assert_eq!(vectors[0].as_array().map(Vec::len), Some(1536));
        assert_eq!(vectors[0], vectors[2]);
        assert_ne!(vectors[0], vectors[1]);
    }
}

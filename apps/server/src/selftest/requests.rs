//! A request for every operation, about the things of one tenant.

use bytes::Bytes;
use outbound::Method;
use serde_json::{Value, json};

use super::world::World;

/// The type of a form.
pub const FORM: &str = "multipart/form-data; boundary=selftest-boundary";

/// What is sent.
pub struct Request {
    /// Its verb.
    pub method: Method,
    /// Its path and query.
    pub path: String,
    /// Its body.
    pub body: Body,
    /// Whether the answer is a stream that does not end.
    pub streams: bool,
}

/// A body.
pub enum Body {
    /// None.
    None,
    /// JSON.
    Json(Value),
    /// A form with a file.
    Form(Bytes),
    /// Text.
    Text(&'static str),
}

/// The request of an operation, about the things of a tenant. The second time an operation deletes what another deletes too, it is
/// another thing of the kind.
pub fn request(operation: &str, world: &World) -> Option<Request> {
    let (verb, template) = operation.split_once(' ')?;
    let method = match verb {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        _ => return None,
    };
    let mut path = template.to_owned();
    for (name, value) in &world.things {
        let value = match (operation, *name) {
            ("DELETE /api/agents/{agent_id}/memories/{memory_id}", "memory_id") => world.thing("another_memory_id"),
            _ => value,
        };
        path = path.replace(&format!("{{{name}}}"), value);
    }
    path.push_str(&query(operation, world));
    let streams = template.ends_with("/events") || template.ends_with("/logs/stream");
    Some(Request { method, path, body: body(operation, world), streams })
}

fn query(operation: &str, world: &World) -> String {
    match operation {
        "DELETE /api/memory/agents/{agent_id}/memories" => "?source=message:00000000-0000-0000-0000-000000000001".to_owned(),
        "GET /api/messaging/dm-channel" => {
            format!("?targetUserId={}&currentUserId={}", world.thing("agent_id"), world.thing("person"))
        }
        "GET /socket.io" | "POST /socket.io" => "?EIO=4&transport=polling".to_owned(),
        _ => String::new(),
    }
}

#[expect(clippy::match_same_arms, reason = "a table, one line for each operation")]
fn body(operation: &str, world: &World) -> Body {
    let thing = |name: &str| world.thing(name).to_owned();
    let (agent, server, channel, person) = (thing("agent_id"), thing("server_id"), thing("channel_id"), thing("person"));
    let message = |content: &str| json!({"channel_id": channel, "message_server_id": server, "author_id": person, "content": content, "source_type": "selftest", "raw_message": {}});
    if operation.starts_with("POST")
        && (operation.contains("upload") || operation.contains("transcri") || operation.ends_with("/audio-messages"))
    {
        return Body::Form(file_form(&[("agentId", &agent)]));
    }
    let json = match operation {
        "POST /socket.io" => return Body::Text("2"),
        "POST /api/agents" => json!({"characterJson": {"name": world.extra, "bio": ["Made to be deleted."]}}),
        "PATCH /api/agents/{agent_id}" => json!({"system": format!("You know {}.", world.mark)}),
        "POST /api/agents/{agent_id}/worlds" => json!({"name": world.mark}),
        "PATCH /api/agents/{agent_id}/worlds/{world_id}" => json!({"metadata": {"mark": world.mark}}),
        "POST /api/memory/agents/{agent_id}/search" => json!({"query": world.mark}),
        "PATCH /api/memory/agents/{agent_id}/memories/{memory_id}" | "PATCH /api/agents/{agent_id}/memories/{memory_id}" => {
            json!({"content": {"text": world.mark}})
        }
        "POST /api/memory/agents/{agent_id}/documents" => json!({"title": "another", "content": format!("more about {}", world.mark)}),
        "POST /api/agents/{agent_id}/rooms" | "PATCH /api/agents/{agent_id}/rooms/{room_id}" => json!({"name": world.mark}),
        "POST /api/memory/groups/{server_id}" => json!({"name": world.mark, "agentIds": [agent]}),
        "POST /api/messaging/central-servers" => json!({"name": world.extra, "sourceType": "selftest"}),
        "PATCH /api/messaging/central-servers/{server_id}" => json!({"name": world.mark}),
        "POST /api/messaging/central-servers/{server_id}/sync-channels" => json!({"channels": [{"sourceId": "1", "name": world.mark}]}),
        "POST /api/messaging/central-servers/{server_id}/agents" | "POST /api/messaging/central-channels/{channel_id}/agents" => {
            json!({ "agentId": agent })
        }
        "POST /api/messaging/central-channels" => json!({"name": world.mark, "message_server_id": server}),
        "PATCH /api/messaging/central-channels/{channel_id}" => json!({"name": world.mark}),
        "POST /api/messaging/central-channels/{channel_id}/messages" | "POST /api/messaging/submit" => message("said in a test"),
        "POST /api/messaging/action" => message("done in a test"),
        "POST /api/messaging/ingest-external" => json!({
            "platform": "selftest", "channelId": channel, "message_server_id": server, "author": "somebody", "author_id": person, "content": "from elsewhere", "id": "1",
            "source_type": "selftest", "source_id": "1", "channel_id": channel, "raw_message": {},
        }),
        "POST /api/messaging/complete" => json!({"channel_id": channel, "server_id": server}),
        "POST /api/messaging/central-channels/{channel_id}/generate-title" => json!({ "agentId": agent }),
        "PATCH /api/messaging/messages/{message_id}" => json!({"content": format!("changed, {}", world.mark)}),
        "POST /api/messaging/messages/search" => json!({"query": world.mark}),
        "POST /api/messaging/sessions" => json!({"agentId": agent, "userId": person}),
        "POST /api/messaging/sessions/{session_id}/messages" => json!({"content": "in a session"}),
        "PATCH /api/messaging/sessions/{session_id}/timeout" => json!({"timeoutMinutes": 10}),
        "POST /api/messaging/jobs" => json!({"userId": person, "agentId": agent, "content": "a question"}),
        "POST /api/audio/generate" => json!({"agentId": agent, "text": "hello", "format": "wav"}),
        "POST /api/audio/{agent_id}/speech/conversation" => json!({"text": "hello", "entityId": person}),
        _ if operation.starts_with("POST /api/audio/") => json!({"text": "hello"}),
        "POST /api/server/logs" => json!({}),
        "POST /api/system/environment" => json!({"content": {}}),
        "POST /api/keys" => json!({"name": world.extra, "scopes": ["agents:read"]}),
        "POST /api/tee/attestation" => json!({}),
        "POST /api/tee/logs" => json!({"query": {"agentId": agent}}),
        _ if operation.starts_with("POST") || operation.starts_with("PATCH") => json!({}),
        _ => return Body::None,
    };
    Body::Json(json)
}

/// A form with a small picture and these fields.
pub fn file_form(fields: &[(&str, &str)]) -> Bytes {
    /// The smallest GIF there is.
    const PICTURE: &[u8] =
        b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";
    let mut form = Vec::new();
    for (name, value) in fields {
        form.extend_from_slice(
            format!("--selftest-boundary\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes(),
        );
    }
    form.extend_from_slice(
        b"--selftest-boundary\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.gif\"\r\ncontent-type: image/gif\r\n\r\n",
    );
    form.extend_from_slice(PICTURE);
    form.extend_from_slice(b"\r\n--selftest-boundary--\r\n");
    form.into()
}

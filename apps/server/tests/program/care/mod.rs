//! Care for what a server has been told: backups and their way back, checks and mending.

#![expect(clippy::indexing_slicing, reason = "an answer without what is asked for fails the test")]

mod backups;
mod looking;
mod mending;

use std::path::Path;

use serde_json::{Value, json};

use crate::server::Server;

const LIN: &str = "11111111-1111-4111-8111-111111111111";

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_default()
}

/// Somebody who talks with an agent.
struct Talk {
    agent: String,
    channel: String,
}

impl Talk {
    fn begin(server: &Server) -> Self {
        let ask = |path: &str, question: Value| body(&server.ask("POST", path, &question));
        let character = json!({"name": "Ada", "bio": ["Counts."], "settings": {"secrets": {"TOKEN": "hunter2"}}});
        let agent = ask("/api/agents", json!({"characterJson": character}))["data"]["id"].as_str().unwrap().to_owned();
        ask(&format!("/api/agents/{agent}/start"), json!({}));
        let channel = json!({"name": "Talk", "type": "DM", "message_server_id": "00000000-0000-0000-0000-000000000000",
            "participantCentralUserIds": [LIN, agent]});
        let channel = ask("/api/messaging/channels", channel)["data"]["id"].as_str().unwrap().to_owned();
        Self { agent, channel }
    }

    /// Says something and waits for the reply, if so.
    fn say(&self, server: &Server, text: &str, transport: &str) {
        let message = json!({"author_id": LIN, "content": text, "message_server_id": "00000000-0000-0000-0000-000000000000",
            "source_type": "client_chat", "raw_message": {"text": text}, "metadata": {"user_display_name": "Lin"}, "transport": transport});
        server.ask("POST", &format!("/api/messaging/channels/{}/messages", self.channel), &message);
    }

    fn upload(&self, server: &Server, content: &str) -> String {
        let part = "Content-Disposition: form-data; name=\"file\"; filename=\"note.txt\"\r\nContent-Type: text/plain";
        let form = format!("--b\r\n{part}\r\n\r\n{content}\r\n--b--\r\n");
        let path = format!("/api/messaging/channels/{}/upload-media", self.channel);
        let answer = body(&server.send("POST", &path, "multipart/form-data; boundary=b", form.as_bytes()));
        answer["data"]["url"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// What was said, oldest first.
    fn texts(&self, server: &Server) -> Vec<String> {
        let answer = body(&server.ask("GET", &format!("/api/messaging/channels/{}/messages?limit=1000", self.channel), &json!({})));
        let messages = answer["data"]["messages"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
        let mut texts: Vec<(i64, String)> = messages
            .iter()
            .map(|message| (message["created_at"].as_i64().unwrap_or_default(), message["content"].as_str().unwrap().to_owned()))
            .collect();
        texts.sort_by_key(|(at, _)| *at);
        texts.into_iter().map(|(_, text)| text).collect()
    }
}

/// A server in `data` of the directory where somebody has talked, also without a word, and sent files; it is stopped again.
fn lived_in(directory: &Path) -> Talk {
    let server = Server::start(directory, &[]);
    let talk = Talk::begin(&server);
    for text in ["Hello", "Zoë says “hi” 🌱", "👍"] {
        talk.say(&server, text, "http");
    }
    for content in ["The mill has a store.", "Another file."] {
        talk.upload(&server, content);
    }
    talk
}

fn sqlite(directory: &Path, statements: &str) {
    let conn = rusqlite::Connection::open(directory.join("data/doolittle.db")).unwrap();
    conn.execute_batch(statements).unwrap();
}

/// Numbers that look like chance and are the same each time.
fn scattered(count: u64, below: u64) -> impl Iterator<Item = u64> {
    (0..count).scan(0x9e37_79b9_7f4a_7c15_u64, move |state, _| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        Some(*state % below)
    })
}

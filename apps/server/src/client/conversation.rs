//! A conversation with an agent, as the API sees it: the direct channel that the server has for the two.

use std::time::Duration;

use core_types::ids::string_to_uuid;
use core_types::{ChannelId, MessageServerId};
use outbound::{EventStream, Method};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Server;
use super::agents::Listed;
use crate::exit::{Exit, Failure};

/// The longest that a reply may take; the server has a limit of its own, which is shorter.
const LONGEST_REPLY: Duration = Duration::from_hours(2);

/// A person's conversation with an agent.
#[derive(Debug)]
pub struct Conversation {
    server: Server,
    /// The agent.
    pub agent: Listed,
    user: Uuid,
    user_name: String,
    channel: ChannelId,
}

/// How an agent answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// With this text.
    Said(String),
    /// Not at all, by its own choice or because a newer message took the place of this one.
    Silent,
}

/// A message of the conversation.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether the person wrote it.
    pub mine: bool,
    /// What it says.
    pub text: String,
}

impl Conversation {
    /// The conversation of this person with this agent. The same two always meet on the same channel, which the server names: a channel
    /// of an id that can be worked out may be somebody else's, who reads along.
    pub async fn open(server: Server, agent: Listed, user_name: String) -> Result<Self, Failure> {
        let user = string_to_uuid(&format!("doolittle-chat-user:{user_name}"));
        let (target, default) = (&agent.id, MessageServerId::DEFAULT);
        let path = format!("/api/messaging/dm-channel?targetUserId={target}&currentUserId={user}&dmServerId={default}");
        let answer = server.ask(Method::Get, &path, None).await?;
        let channel: Option<ChannelId> = answer.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
        let channel = channel.ok_or_else(|| server.stranger())?;
        Ok(Self { server, agent, user, user_name, channel })
    }

    /// The last messages, oldest first.
    pub async fn history(&self, limit: u32) -> Result<Vec<Line>, Failure> {
        let answer = self.server.ask(Method::Get, &format!("{}?limit={limit}", self.path()), None).await?;
        let mine = self.user.to_string();
        let mut lines: Vec<Line> = answer
            .get("messages")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|message| Line {
                mine: message.get("authorId").and_then(Value::as_str) == Some(&mine),
                text: message.get("content").and_then(Value::as_str).unwrap_or_default().to_owned(),
            })
            .collect();
        lines.reverse();
        Ok(lines)
    }

    /// Says something and waits for the reply, whose pieces go to `piece` as they are made.
    pub async fn say(&self, text: &str, piece: &mut (dyn FnMut(&str) + Send)) -> Result<Reply, Failure> {
        let body = json!({
            "author_id": self.user,
            "content": text,
            "message_server_id": MessageServerId::DEFAULT,
            "source_type": "doolittle_chat",
            "transport": "sse",
            "metadata": {
                "isDm": true,
                "channelType": "DM",
                "targetUserId": self.agent.id,
                "user_display_name": self.user_name,
            },
        });
        let mut events = self.server.stream(&self.path(), &body, LONGEST_REPLY).await?;
        self.follow(&mut events, piece).await
    }

    async fn follow(&self, events: &mut EventStream, piece: &mut (dyn FnMut(&str) + Send)) -> Result<Reply, Failure> {
        while let Some(event) = events.next().await.map_err(|error| self.server.unreachable(error))? {
            match read_event(&event.event, &event.data) {
                Step::Piece(text) => piece(&text),
                Step::End(reply) => return Ok(reply),
                Step::Failed(message) => {
                    return Err(Failure::new(Exit::Failure, format!("{} could not answer: {message}", self.agent.name)));
                }
                Step::Other => {}
            }
        }
        Err(Failure::new(Exit::Failure, "the server ended the reply in its middle; it may be in the history later"))
    }

    fn path(&self) -> String {
        format!("/api/messaging/channels/{}/messages", self.channel)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Piece(String),
    End(Reply),
    Failed(String),
    Other,
}

/// What an event of contract §5 means for the conversation.
fn read_event(kind: &str, data: &str) -> Step {
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    match kind {
        "chunk" => Step::Piece(text("chunk")),
        "done" if text("text").is_empty() => Step::End(Reply::Silent),
        "done" => Step::End(Reply::Said(text("text"))),
        "error" => {
            let error = data.get("error");
            let message = error.and_then(|error| error.get("message").or(Some(error))).and_then(Value::as_str);
            Step::Failed(message.unwrap_or("the server gives no reason").to_owned())
        }
        _ => Step::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Reply, Step, read_event};

    #[test]
    fn events_of_a_reply_are_read() {
        let said = |text: &str| Step::End(Reply::Said(text.to_owned()));
        for (kind, data, step) in [
            ("user_message", r#"{"id":"x","content":"Hi"}"#, Step::Other),
            ("chunk", r#"{"messageId":"x","chunk":"Hel","index":0,"type":"chunk"}"#, Step::Piece("Hel".to_owned())),
            ("done", r#"{"text":"Hello","actions":["REPLY"]}"#, said("Hello")),
            ("done", r#"{"actions":["IGNORE"]}"#, Step::End(Reply::Silent)),
            ("done", r#"{"actions":["IGNORE"],"text":"","supersededBy":"y"}"#, Step::End(Reply::Silent)),
            ("error", r#"{"error":"no model","type":"error"}"#, Step::Failed("no model".to_owned())),
            ("error", r#"{"error":{"code":"X","message":"no model"}}"#, Step::Failed("no model".to_owned())),
            ("error", "junk", Step::Failed("the server gives no reason".to_owned())),
            ("new_kind", "{}", Step::Other),
        ] {
            assert_eq!(read_event(kind, data), step, "{kind} {data}");
        }
    }
}

//! Titles of conversations.

use std::time::Duration;

use core_types::error::chain;
use core_types::messaging::{Message, TITLE_MESSAGES, Title};
use core_types::models::{AgentModels, AskError, ModelError, ModelSize, Purpose, Role, TextRequest, Turn};
use core_types::{AgentId, Caller, ServiceError, ServiceResult, Thing};

use crate::places::Places;

/// Titles that are made at once.
pub(super) const AT_ONCE: usize = 16;
/// When to come again where these are too many.
const BUSY: Duration = Duration::from_secs(2);

/// Tokens of a title.
const TOKENS: u32 = 50;
/// Titles of one conversation should differ little.
const TEMPERATURE: f32 = 0.3;
/// The most characters of a message that the model is shown; a title needs no more.
const SHOWN: usize = 500;
/// The most characters of a title.
const LENGTH: usize = 100;

const INSTRUCTIONS: &str = "You name conversations. Answer with a title of two to six words that says what the conversation is \
    about, in its language, and with nothing else: no quotation marks, no full stop, no explanation.";

/// A title for these messages, newest first. It takes one of the `places` while the model is asked.
pub(super) async fn make(
    models: &dyn AgentModels,
    places: &Places,
    caller: &Caller,
    agent: AgentId,
    messages: Vec<Message>,
) -> ServiceResult<Title> {
    if messages.len() < TITLE_MESSAGES {
        return Ok(Title::TooShort);
    }
    let _place = places
        .take(caller)
        .ok_or_else(|| ServiceError::Overloaded { message: "Too many titles are being made already".to_owned(), retry_after: BUSY })?;
    let request = TextRequest {
        size: ModelSize::Small,
        purpose: Purpose::Title,
        system: INSTRUCTIONS.to_owned(),
        turns: messages.into_iter().rev().map(turn).collect(),
        tools: Vec::new(),
        max_output_tokens: TOKENS,
        temperature: Some(TEMPERATURE),
    };
    let answer = models.ask(agent, request).await.map_err(|error| failure(agent, error))?;
    Ok(tidied(&answer.text).map_or(Title::Blank, Title::Made))
}

fn turn(message: Message) -> Turn {
    let text: String = message.content.chars().take(SHOWN).collect();
    Turn::text(Role::User, message.author_name.unwrap_or_default(), text)
}

fn failure(agent: AgentId, error: AskError) -> ServiceError {
    match error {
        AskError::NotRunning => ServiceError::NotFound(Thing::Agent),
        AskError::NotReady(source) => ServiceError::Internal(source),
        AskError::Model(error) => {
            log::warn!("agent {agent}: no title: {}", chain(&error));
            match error {
                ModelError::Busy { retry_after, .. } => {
                    ServiceError::Overloaded { message: error.to_string(), retry_after: retry_after.unwrap_or_default() }
                }
                error => ServiceError::Model(error),
            }
        }
    }
}

/// The first line of the answer without what models like to put around a title; `None` where nothing is left.
fn tidied(answer: &str) -> Option<String> {
    let line = answer.lines().map(str::trim).find(|line| !line.is_empty())?;
    let bare = line.trim_matches(|c: char| c.is_whitespace() || "\"'`*#.“”„«»".contains(c));
    let title: String = bare.chars().filter(|c| !c.is_control()).take(LENGTH).collect();
    (!title.is_empty()).then_some(title)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use async_trait::async_trait;
    use core_types::models::TextResponse;
    use core_types::{ChannelId, Credential, EntityId, Json, MessageId, MessageServerId, Permission, Reach, Tenant, Timestamp};
    use uuid::Uuid;

    use super::*;

    /// Models that do not answer.
    struct Silent;

    #[async_trait]
    impl AgentModels for Silent {
        async fn ask(&self, _agent: AgentId, _request: TextRequest) -> Result<TextResponse, AskError> {
            std::future::pending().await
        }
    }

    fn message() -> Message {
        Message {
            id: MessageId::new(Uuid::nil()),
            channel_id: ChannelId::new(Uuid::nil()),
            server_id: MessageServerId::DEFAULT,
            author_id: EntityId::new(Uuid::nil()),
            author_name: None,
            content: "hello".to_owned(),
            raw: None,
            source_type: None,
            source_id: None,
            metadata: Json::default(),
            in_reply_to: None,
            seq: 1,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        }
    }

    fn tenant(name: &str) -> Caller {
        let reach = Reach { tenant: Tenant::new(name).unwrap(), servers: Vec::new(), person: None };
        Caller::tenant(Arc::new(Credential { key: None, permissions: vec![Permission::MessagesWrite], reach, expires_at: None }))
    }

    type Making<'a> = Pin<Box<dyn Future<Output = ServiceResult<Title>> + 'a>>;

    /// Begins to make a title, which does not end; or says what came of it at once.
    fn begin<'a>(places: &'a Places, caller: &'a Caller, messages: usize) -> Result<Making<'a>, ServiceResult<Title>> {
        let agent = AgentId::new(Uuid::nil());
        let mut making: Making<'a> = Box::pin(make(&Silent, places, caller, agent, vec![message(); messages]));
        match making.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Ok(making),
            Poll::Ready(made) => Err(made),
        }
    }

    #[test]
    fn whoever_has_its_share_of_titles_is_refused_at_once_and_nobody_else() {
        let places = Places::new(8);
        let (one, other, owner) = (tenant("one"), tenant("other"), Caller::owner());
        let begun = [begin(&places, &one, TITLE_MESSAGES), begin(&places, &one, TITLE_MESSAGES)];
        assert!(begun.iter().all(Result::is_ok));
        let refused = begin(&places, &one, TITLE_MESSAGES).err();
        assert!(matches!(refused, Some(Err(ServiceError::Overloaded { .. }))), "{refused:?}");
        let short = begin(&places, &one, TITLE_MESSAGES - 1).err();
        assert!(matches!(short, Some(Ok(Title::TooShort))), "no model is asked: {short:?}");
        assert!(begin(&places, &other, TITLE_MESSAGES).is_ok() && begin(&places, &owner, TITLE_MESSAGES).is_ok());
        drop(begun);
        assert!(begin(&places, &one, TITLE_MESSAGES).is_ok());
    }

    #[test]
    fn a_title_is_one_line_without_its_wrapping() {
        for (answer, title) in [
            ("Exam Worries", Some("Exam Worries")),
            ("\n  \"Exam Worries.\"\nBecause it is about an exam.", Some("Exam Worries")),
            ("**Exam Worries**", Some("Exam Worries")),
            ("„Prüfungsangst“", Some("Prüfungsangst")),
            ("", None),
            (" \n\t", None),
            ("\"\"", None),
        ] {
            assert_eq!(tidied(answer).as_deref(), title, "{answer:?}");
        }
        assert_eq!(tidied(&"x".repeat(300)).map(|title| title.len()), Some(100));
    }
}

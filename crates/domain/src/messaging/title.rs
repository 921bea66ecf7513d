//! Titles of conversations.

use core_types::error::chain;
use core_types::messaging::{Message, TITLE_MESSAGES, Title};
use core_types::models::{AgentModels, AskError, ModelError, ModelSize, Purpose, Role, TextRequest, Turn};
use core_types::{AgentId, ServiceError, ServiceResult, Thing};

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

/// A title for these messages, newest first.
pub(super) async fn make(models: &dyn AgentModels, agent: AgentId, messages: Vec<Message>) -> ServiceResult<Title> {
    if messages.len() < TITLE_MESSAGES {
        return Ok(Title::TooShort);
    }
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
    use super::tidied;

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

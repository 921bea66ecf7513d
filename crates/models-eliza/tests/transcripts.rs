//! Whole conversations, word for word: `transcripts.txt` says what is said and what must be answered.

use core_types::Secret;
use core_types::models::{
    ModelConnector, ModelProvider, ModelSettings, ModelSize, NoSink, Purpose, Role, TextRequest, TextResponse, ToolSpec, Turn,
};
use doolittle_models_eliza::{ElizaConnector, ElizaProvider, Script, respond};
use serde_json::json;

fn own_script() -> Script {
    Script::parse(include_str!("../script/eliza.txt")).unwrap_or_else(|error| panic!("{error}"))
}

/// Title, and pairs of what is said and what is answered.
type Dialogue<'a> = (&'a str, Vec<(&'a str, &'a str)>);

fn dialogues(file: &str) -> Vec<Dialogue<'_>> {
    let mut dialogues: Vec<Dialogue<'_>> = Vec::new();
    let mut said = None;
    for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match (line.split_at_checked(1), dialogues.last_mut()) {
            (Some(("=", title)), _) => dialogues.push((title.trim(), Vec::new())),
            (Some((">", text)), Some(_)) => said = Some(text.trim()),
            (Some(("<", text)), Some((_, turns))) => {
                turns.push((said.take().unwrap_or_else(|| panic!("nothing said before {line:?}")), text.trim()));
            }
            _ => panic!("neither title, question nor answer: {line:?}"),
        }
    }
    dialogues
}

#[test]
fn every_conversation_goes_as_written() {
    let script = own_script();
    let dialogues = dialogues(include_str!("transcripts.txt"));
    assert!(dialogues.len() >= 3);
    for (title, turns) in dialogues {
        let mut said = Vec::new();
        for (message, expected) in turns {
            said.push(message);
            assert_eq!(respond(&script, &said), expected, "{title}: {message:?}");
        }
    }
}

#[test]
fn whatever_is_said_there_is_a_short_answer() {
    let script = own_script();
    let long = "my mother and I ".repeat(100_000);
    let gaps = "you i ".repeat(1000);
    let emoji = "🦀".repeat(5000);
    for message in [
        "",
        " \n ",
        "?",
        "...",
        "0",
        "4 5",
        "/family",
        "\u{202e}\u{0}",
        "🦀",
        "東京",
        "مرحبا؟",
        "Je suis triste",
        "NO",
        &long,
        &gaps,
        &emoji,
    ] {
        let answer = respond(&script, &[message, message, message]);
        assert!(!answer.trim().is_empty() && answer.len() < 5000, "{:?} -> {answer:?}", message.chars().take(20).collect::<String>());
    }
}

#[test]
fn every_answer_of_the_script_reads_as_a_sentence() {
    let script = own_script();
    let mut said = Vec::new();
    let dialogues = dialogues(include_str!("transcripts.txt"));
    for (message, _) in dialogues.iter().flat_map(|(_, turns)| turns) {
        said.push(*message);
        let answer = respond(&script, &said);
        assert!(answer.ends_with(['.', '?']) && !answer.contains("  ") && !answer.contains(" ?"), "{message:?} -> {answer:?}");
        assert!(answer.starts_with(|first: char| first.is_uppercase()), "{message:?} -> {answer:?}");
    }
}

#[test]
fn nothing_said_at_all_is_silence() {
    assert_eq!(respond(&own_script(), &[]), respond(&own_script(), &[""]));
}

#[test]
fn what_was_said_long_ago_is_forgotten() {
    let script = own_script();
    let mut said = vec!["My garden is empty"];
    said.extend(["hm"; 49]);
    let with_it = respond(&script, &said[..2]);
    assert!(with_it.contains("your garden"), "{with_it}");
    said.push("hm");
    assert_eq!(respond(&script, &said), respond(&script, &["hm"; 50]), "only the last fifty messages count");
}

struct NoSettings;

impl ModelSettings for NoSettings {
    fn get(&self, _name: &str) -> Option<Secret> {
        None
    }
}

async fn ask(purpose: Purpose, tools: &[&str], said: &str) -> TextResponse {
    let Ok(Some(provider)) = ElizaConnector.connect(&NoSettings) else { panic!("the offline model always connects") };
    let tool = |name: &&str| ToolSpec { name: (*name).to_owned(), description: String::new(), parameters: json!({"type": "object"}) };
    let request = TextRequest {
        size: ModelSize::Small,
        purpose,
        system: String::new(),
        turns: vec![Turn::text(Role::User, "Ann", said), Turn::text(Role::Assistant, "Ada", "Do you dream of computers?")],
        tools: tools.iter().map(tool).collect(),
        max_output_tokens: 10,
        temperature: None,
    };
    provider.generate(request, &NoSink).await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn it_answers_what_concerns_it_and_ignores_the_rest() {
    for (said, decision) in [
        ("Hello everyone", "RESPOND"),
        ("I had a dream", "RESPOND"),
        ("ready?", "RESPOND"),
        ("準備はいい？", "RESPOND"),
        ("HOW DO THEY DO IT", "RESPOND"),
        ("lunch at noon", "IGNORE"),
        ("ok", "IGNORE"),
        ("yes I agree", "IGNORE"),
        ("", "IGNORE"),
    ] {
        let called = ask(Purpose::Decide, &["RESPOND", "IGNORE", "STOP"], said).await;
        let calls: Vec<_> = called.calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!((calls.as_slice(), called.text.as_str()), ([decision].as_slice(), ""), "{said}");
        let worded = ask(Purpose::Decide, &["DICE"], said).await;
        assert_eq!((worded.calls.len(), worded.text.as_str()), (0, decision), "{said}");
    }
}

#[tokio::test]
async fn a_reply_never_calls_a_tool_and_counts_words() {
    let reply = ask(Purpose::Reply, &["RESPOND", "MUTE_ROOM"], "I had a dream").await;
    assert!(reply.calls.is_empty() && !reply.text.is_empty());
    assert_eq!((reply.usage.input, reply.usage.output), (4, reply.text.split(' ').count() as u64));
}

#[tokio::test]
async fn another_script_makes_another_model() {
    let script = Script::parse("none\nsay Moo.\nsilence\nsay ...\n").expect("readable");
    let provider = ElizaProvider::new(script.into());
    let request = TextRequest {
        size: ModelSize::Large,
        purpose: Purpose::Reply,
        system: String::new(),
        turns: vec![Turn::text(Role::User, "Ann", "Hello")],
        tools: Vec::new(),
        max_output_tokens: 10,
        temperature: None,
    };
    assert_eq!(provider.generate(request, &NoSink).await.expect("an answer").text, "Moo.");
}

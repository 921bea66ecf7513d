//! What a model is given of a message's attachments.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking, like the test")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use core_types::fetch::{FetchError, Fetched, Fetcher};
use core_types::knowledge::Format;
use core_types::media::MediaPlace;
use core_types::messaging::{MessagingService, NewMessage};
use core_types::models::{Capabilities, Turn};
use core_types::{AgentId, Caller, ChannelId};
use serde_json::{Value, json};
use testkit::house::{House, Plan, Watch, person};
use testkit::scripted_provider::ScriptedProvider;

const PDF: &[u8] = include_bytes!("../../contract/fixtures/hours.pdf");
const LOCKED_PDF: &[u8] = include_bytes!("../../contract/fixtures/locked.pdf");
const DOCX: &[u8] = include_bytes!("../../contract/fixtures/hours.docx");
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

/// The world outside: what is at which address. It remembers what it was asked for.
#[derive(Default)]
struct Outside {
    there: BTreeMap<&'static str, Fetched>,
    asked: Mutex<Vec<String>>,
}

impl Outside {
    fn of<const N: usize>(there: [(&'static str, &str, &'static [u8]); N]) -> Arc<Self> {
        let there = there.map(|(url, content_type, bytes)| (url, Fetched { content_type: content_type.to_owned(), bytes: bytes.into() }));
        Arc::new(Self { there: there.into(), asked: Mutex::default() })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Fetcher for Outside {
    async fn fetch(&self, url: &str, limit: usize) -> Result<Fetched, FetchError> {
        self.asked.lock().unwrap().push(url.to_owned());
        let fetched = self.there.get(url).cloned().ok_or_else(|| FetchError::Failed { reason: "it is not there".to_owned() })?;
        if fetched.bytes.len() > limit { Err(FetchError::TooLarge { limit }) } else { Ok(fetched) }
    }
}

/// A house in which an agent is talked to.
struct Talk {
    house: House,
    model: Arc<ScriptedProvider>,
    agent: AgentId,
    channel: ChannelId,
    watch: Watch,
}

impl Talk {
    async fn with(model: ScriptedProvider, outside: &Arc<Outside>) -> Self {
        let model = Arc::new(model);
        let fetcher: Arc<dyn Fetcher> = Arc::<Outside>::clone(outside);
        let house = House::open(Plan { fetcher, ..Plan::with(Arc::<ScriptedProvider>::clone(&model)) }).await;
        let agent = house.agent_named("Eliza").await;
        let channel = house.channel("DM", &[person(1), agent.into()], json!({})).await;
        let watch = house.watch(channel).await;
        Self { house, model, agent, channel, watch }
    }

    async fn upload(&self, declared: &str, name: &str, bytes: &[u8]) -> String {
        self.house.upload(MediaPlace::Channel(self.channel), Some(declared), name, bytes).await.unwrap().url()
    }

    /// What the model is given as the last turn when somebody says "Look" with these attachments.
    async fn turn(&mut self, attachments: Value) -> Turn {
        let message = House::message(self.channel, person(1), "Look");
        let raw = json!({"text": "Look", "attachments": attachments});
        let message = NewMessage { raw: Some(raw), ..message };
        self.house.messaging.post(&Caller::owner(), message).await.unwrap();
        self.watch.reply().await;
        self.model.requests().pop().unwrap().turns.pop().unwrap()
    }
}

/// What is attached to a turn: titles and types, and whether the bytes are there.
fn shown(turn: &Turn) -> Vec<(&str, &str, bool)> {
    turn.attachments.iter().map(|one| (one.title.as_str(), one.content_type.as_str(), one.content.is_some())).collect()
}

fn seeing() -> ScriptedProvider {
    ScriptedProvider::saying("I see.")
}

#[tokio::test]
async fn our_images_reach_a_model_that_sees_and_are_mentioned_to_one_that_does_not() {
    let blind = Capabilities { tools: true, images: false, context_tokens: 8_192 };
    for (model, sees) in [(seeing(), true), (seeing().with_capabilities(blind), false)] {
        let outside = Outside::of([]);
        let mut talk = Talk::with(model, &outside).await;
        let url = talk.upload("image/png", "pixel.png", PNG).await;
        for url in [url.clone(), format!("http://localhost:3000{url}")] {
            let turn = talk.turn(json!([{"id": "a", "url": url, "title": "A", "contentType": "image"}])).await;
            assert_eq!(turn.text, "Look");
            let kind = if sees { "image/png" } else { "image" };
            assert_eq!(shown(&turn), [("A", kind, sees)]);
            assert_eq!(turn.attachments[0].content.as_deref(), sees.then_some(PNG));
        }
        assert_eq!(outside.asked(), [""; 0]);
    }
}

#[tokio::test]
async fn texts_reach_every_model_as_text_within_its_context() {
    let outside = Outside::of([]);
    let narrow = Capabilities { tools: false, images: false, context_tokens: 2_048 };
    let mut talk = Talk::with(seeing().with_capabilities(narrow), &outside).await;
    let short = talk.upload("text/plain", "short.txt", "Grüße vom Meer".as_bytes()).await;
    let long = talk.upload("text/plain", "long.txt", "word ".repeat(20_000).as_bytes()).await;
    let turn =
        talk.turn(json!([{"url": short, "title": "short.txt"}, {"url": long, "title": "long.txt", "contentType": "document"}])).await;
    assert!(
        turn.text.starts_with("Look\n\n[attached text: short.txt]\nGrüße vom Meer\n[end of short.txt]\n\n[attached text: long.txt]\nword ")
    );
    assert!(turn.text.ends_with("\n[end of long.txt]") && turn.text.len() < 2_048 * 3, "{} bytes", turn.text.len());
    assert_eq!(shown(&turn), []);
}

#[tokio::test]
async fn the_text_of_documents_reaches_every_model() {
    let docx = Format::Docx.media_type();
    let outside = Outside::of([
        ("https://example.org/hours.docx", docx, DOCX),
        ("https://example.org/get?file=7", "application/pdf", PDF),
        ("https://example.org/archive.zip", "application/zip", DOCX),
    ]);
    let blind = Capabilities { tools: false, images: false, context_tokens: 8_192 };
    let mut talk = Talk::with(seeing().with_capabilities(blind), &outside).await;
    let ours = talk.upload("application/pdf", "hours.pdf", PDF).await;
    for url in [ours.as_str(), "https://example.org/hours.docx", "https://example.org/get?file=7"] {
        let turn = talk.turn(json!([{"url": url, "title": "hours", "contentType": "document"}])).await;
        let inside = turn.text.strip_prefix("Look\n\n[attached text: hours]\n").and_then(|rest| rest.strip_suffix("\n[end of hours]"));
        assert!(inside.is_some_and(|text| text.contains("The gate opens at nine.")), "{url}: {}", turn.text);
        assert_eq!(shown(&turn), []);
    }
    // Another conversation: in the fourth turn of one the agent looks back, and asks its model for that too.
    let mut talk = Talk::with(seeing().with_capabilities(blind), &outside).await;
    let turn = talk.turn(json!([{"url": "https://example.org/archive.zip", "title": "archive"}])).await;
    assert_eq!(turn.text, "Look\n\n[attached and not read: archive; it is of a type that is not read]");
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_a_note_and_no_failure() {
    let outside = Outside::of([]);
    let mut talk = Talk::with(seeing(), &outside).await;
    let mut cut = PDF.to_vec();
    cut.truncate(300);
    for (bytes, why) in [(cut.as_slice(), "it is no pdf document that can be read"), (LOCKED_PDF, "it ")] {
        let url = talk.upload("application/pdf", "hours.pdf", bytes).await;
        let turn = talk.turn(json!([{"url": url, "title": "hours.pdf", "contentType": "application/pdf"}])).await;
        assert!(turn.text.starts_with(&format!("Look\n\n[attached and not read: hours.pdf; {why}")), "{}", turn.text);
        assert_eq!(shown(&turn), [("hours.pdf", "application/pdf", false)]);
    }
}

#[tokio::test]
async fn what_is_elsewhere_is_fetched_and_believed_by_its_bytes_only() {
    let outside = Outside::of([
        ("https://example.org/a.png", "application/octet-stream", PNG),
        ("https://example.org/notes.md", "text/markdown", b"# Notes"),
        ("https://example.org/fake.png", "image/png", b"\x7fELF\x02\x01\x01\0"),
        ("https://example.org/page", "text/html; charset=utf-8", b"<p>x</p>"),
    ]);
    let mut talk = Talk::with(seeing(), &outside).await;
    let turn = talk
        .turn(json!([
            {"url": "https://example.org/a.png", "title": "A", "contentType": "image"},
            {"url": "https://example.org/notes.md", "title": "notes"},
            {"url": "https://example.org/fake.png", "title": "fake", "contentType": "image/png"},
            {"url": "https://example.org/page", "title": "page"},
            {"url": "https://example.org/missing.png", "title": "missing", "contentType": "image/png"},
            {"url": "https://example.org/film.mp4", "title": "film", "contentType": "video"},
            {"title": "no address"},
            "no object",
        ]))
        .await;
    let read = "Look\n\n[attached text: notes]\n# Notes\n[end of notes]";
    let notes = [("fake", "it is of a type that is not read"), ("page", "it is a web page"), ("missing", "it is not there")];
    let notes = notes.map(|(title, why)| format!("\n\n[attached and not read: {title}; {why}]"));
    assert_eq!(turn.text, format!("{read}{}", notes.concat()));
    let expected = [
        ("A", "image/png", true),
        ("fake", "image/png", false),
        ("page", "", false),
        ("missing", "image/png", false),
        ("film", "video", false),
    ];
    assert_eq!(shown(&turn), expected);
    let asked = outside.asked();
    assert!(!asked.iter().any(|url| url.contains("film")) && asked.len() == 5, "{asked:?}");
}

#[tokio::test]
async fn a_file_of_ours_that_is_not_there_is_not_looked_for_elsewhere() {
    let outside = Outside::of([]);
    let mut talk = Talk::with(seeing(), &outside).await;
    let url = talk.upload("image/png", "pixel.png", PNG).await;
    let other_place = url.replace(&talk.channel.to_string(), &talk.agent.to_string());
    let missing = format!("/media/generated/{}/{}.png", talk.agent, "0".repeat(32));
    let turn = talk.turn(json!([{"url": other_place, "title": "A"}, {"url": missing, "title": "B"}])).await;
    assert_eq!(shown(&turn), [("A", "", false), ("B", "", false)]);
    assert_eq!(outside.asked(), [""; 0]);
}

#[tokio::test]
async fn images_are_bounded_one_by_one_and_together() {
    let outside = Outside::of([]);
    let wide = Capabilities { tools: true, images: true, context_tokens: 1_000_000 };
    let mut talk = Talk::with(seeing().with_capabilities(wide), &outside).await;
    let image = |bytes: usize| [PNG, &vec![0; bytes]].concat();
    let too_large = talk.upload("image/png", "huge.png", &image(3_750_001)).await;
    let large = talk.upload("image/png", "large.png", &image(3_000_000)).await;
    let attached: Vec<Value> = std::iter::once(&too_large).chain(std::iter::repeat_n(&large, 10)).map(|url| json!({"url": url})).collect();
    let turn = talk.turn(json!(attached)).await;
    let shown: Vec<bool> = turn.attachments.iter().map(|one| one.content.is_some()).collect();
    assert_eq!(shown, [false, true, true, false, false, false, false, false, false, false, false]);
    let many: Vec<Value> = (0..100).map(|number| json!({"url": format!("/media/{number}")})).collect();
    assert_eq!(talk.turn(json!(many)).await.attachments.len(), 32);
}

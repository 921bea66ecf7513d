//! The promises of a model provider. An adapter hands in a [`Stage`] that builds its provider in front of a staged
//! service, and runs every promise with [`model_contract!`](crate::model_contract).

#![expect(clippy::missing_panics_doc, reason = "a promise panics where it is broken, as a test does")]

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use core_types::models::{ModelError, ModelProvider, ModelSize, Purpose, Role, TextRequest, TextResponse, TextSink, ToolSpec, Turn};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Longer than any promise takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than a provider waits by itself before it passes on that the service is busy.
const LONG_WAIT: Duration = Duration::from_secs(90);

/// What the service behind a provider does.
#[derive(Debug, Clone, PartialEq)]
pub enum Scenario {
    /// Says these pieces. A provider without a service says what it likes.
    Says(&'static [&'static str]),
    /// Says this text, with every character split over packets of one byte.
    SaysInBytes(&'static str),
    /// Calls this tool. A provider without a service calls one of those offered.
    Calls {
        /// The tool.
        name: &'static str,
        /// Its arguments.
        arguments: Value,
    },
    /// Says one piece and then nothing until the caller leaves.
    NeverEnds,
    /// Does not accept the key.
    RefusesKey,
    /// Has no such model.
    LacksModel,
    /// Rejects the request for good, and repeats the key in its explanation.
    Rejects,
    /// Is busy and asks to wait this long.
    Busy(Duration),
    /// Nobody listens at the address.
    NobodyThere,
    /// Says one piece and then breaks the connection.
    BreaksOff,
    /// Takes the request and says nothing. The provider should wait for no more than a few seconds.
    Silent,
    /// Answers with something that is not an answer.
    TalksNonsense,
}

/// A provider in front of a staged service.
pub struct Staged {
    /// The provider.
    pub provider: Arc<dyn ModelProvider>,
    /// Its `Debug` text.
    pub debug: String,
    /// The key that it was given; empty where it has none.
    pub key: String,
    /// Done when the service notices that the caller left.
    pub caller_left: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Whatever has to live as long as the service.
    pub service: Box<dyn Any + Send>,
}

/// Builds a provider for a scenario.
#[async_trait]
pub trait Stage: Send + Sync {
    /// Sets the scene.
    async fn set(&self, scenario: Scenario) -> Staged;
}

/// Keeps the pieces that it is given.
#[derive(Debug, Default)]
struct Pieces(Mutex<Vec<String>>);

impl TextSink for Pieces {
    fn push(&self, piece: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(piece.to_owned());
    }
}

impl Pieces {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn request(purpose: Purpose) -> TextRequest {
    let tool = |name: &str| ToolSpec {
        name: name.to_owned(),
        description: format!("Choose to {name}."),
        parameters: json!({"type": "object", "properties": {"reason": {"type": "string"}}}),
    };
    TextRequest {
        size: ModelSize::Large,
        purpose,
        system: "You are Ada.".to_owned(),
        turns: vec![Turn::text(Role::User, "Ann", "Are you there?")],
        tools: if purpose == Purpose::Decide { vec![tool("RESPOND"), tool("IGNORE")] } else { Vec::new() },
        max_output_tokens: 100,
        temperature: Some(0.5),
    }
}

async fn generate(staged: &Staged, purpose: Purpose, sink: &dyn TextSink) -> Result<TextResponse, ModelError> {
    let Ok(answer) = timeout(PATIENCE, staged.provider.generate(request(purpose), sink)).await else {
        panic!("the provider never ends");
    };
    answer
}

async fn answer(staged: &Staged, purpose: Purpose, sink: &dyn TextSink) -> TextResponse {
    match generate(staged, purpose, sink).await {
        Ok(response) => response,
        Err(error) => panic!("the provider failed: {error:?}"),
    }
}

/// Runs a scenario that fails, checks that nothing shows the key, and gives the error.
async fn failure(stage: &dyn Stage, scenario: Scenario) -> ModelError {
    let staged = stage.set(scenario).await;
    let Err(error) = generate(&staged, Purpose::Reply, &Pieces::default()).await else {
        panic!("the provider answered");
    };
    assert_hidden(&staged, &format!("{error} {error:?}"));
    error
}

fn assert_hidden(staged: &Staged, shown: &str) {
    assert!(staged.key.is_empty() || !shown.contains(&staged.key), "the key is shown: {shown}");
}

/// The whole text equals the pieces joined, none of them is empty, and there is at least one.
pub async fn a_text_equals_its_pieces_joined(stage: impl Stage) {
    let staged = stage.set(Scenario::Says(&["Hel", "lo, ", "Ann."])).await;
    let sink = Pieces::default();
    let response = answer(&staged, Purpose::Reply, &sink).await;
    assert_eq!(response.text, sink.all().concat());
    assert!(!sink.all().is_empty() && sink.all().iter().all(|piece| !piece.is_empty()), "{:?}", sink.all());
}

/// The response names a model and counts what was read and produced.
pub async fn an_answer_names_its_model_and_counts_tokens(stage: impl Stage) {
    let staged = stage.set(Scenario::Says(&["Hello."])).await;
    let response = answer(&staged, Purpose::Reply, &Pieces::default()).await;
    assert_eq!(response.model, staged.provider.model(ModelSize::Large));
    assert!(response.usage.input > 0 && response.usage.output > 0, "{:?}", response.usage);
}

/// Where a decision is asked for and tools are offered, one of them is called, with an object of arguments.
pub async fn a_decision_is_a_call_of_an_offered_tool(stage: impl Stage) {
    let staged = stage.set(Scenario::Calls { name: "RESPOND", arguments: json!({}) }).await;
    let response = answer(&staged, Purpose::Decide, &Pieces::default()).await;
    let [call] = response.calls.as_slice() else { panic!("one call: {:?}", response.calls) };
    assert!(["RESPOND", "IGNORE"].contains(&call.name.as_str()) && !call.id.is_empty(), "{call:?}");
    assert_eq!(call.arguments, json!({}));
}

/// Neither `Debug` of a provider nor any error shows its key, even where the service repeats it.
pub async fn nothing_shows_the_key(stage: impl Stage) {
    let staged = stage.set(Scenario::Says(&["Hello."])).await;
    assert!(!staged.debug.is_empty(), "a provider has a Debug text");
    assert_hidden(&staged, &staged.debug);
    for scenario in [Scenario::RefusesKey, Scenario::Rejects, Scenario::NobodyThere] {
        failure(&stage, scenario).await;
    }
}

/// The text is what the service said, piece by piece.
pub async fn the_text_is_what_the_service_said(stage: impl Stage) {
    let staged = stage.set(Scenario::Says(&["Hel", "lo, ", "Ann."])).await;
    let sink = Pieces::default();
    assert_eq!(answer(&staged, Purpose::Reply, &sink).await.text, "Hello, Ann.");
    assert_eq!(sink.all(), ["Hel", "lo, ", "Ann."]);
}

/// Characters of several bytes survive any packets.
pub async fn characters_split_over_packets_arrive_whole(stage: impl Stage) {
    let staged = stage.set(Scenario::SaysInBytes("Grüße, 東京 🦀!")).await;
    assert_eq!(answer(&staged, Purpose::Reply, &Pieces::default()).await.text, "Grüße, 東京 🦀!");
}

/// A call arrives with the arguments that the model sent, parsed.
pub async fn a_calls_arguments_are_parsed(stage: impl Stage) {
    let arguments = json!({"reason": "she \"asked\"", "number": 7, "list": ["ü", null]});
    let staged = stage.set(Scenario::Calls { name: "IGNORE", arguments: arguments.clone() }).await;
    let response = answer(&staged, Purpose::Decide, &Pieces::default()).await;
    let calls: Vec<_> = response.calls.iter().map(|call| (call.name.as_str(), &call.arguments)).collect();
    assert_eq!(calls, [("IGNORE", &arguments)]);
}

/// Whoever drops the future ends the request at the service.
pub async fn dropping_the_future_ends_the_request(stage: impl Stage) {
    struct Heard(tokio::sync::Notify);
    impl TextSink for Heard {
        fn push(&self, _piece: &str) {
            self.0.notify_one();
        }
    }
    let Staged { provider, caller_left, service: _service, .. } = stage.set(Scenario::NeverEnds).await;
    let heard = Heard(tokio::sync::Notify::new());
    let dropped = async {
        tokio::select! {
            _ = provider.generate(request(Purpose::Reply), &heard) => panic!("the answer never ends"),
            () = heard.0.notified() => {}
        }
    };
    assert!(timeout(PATIENCE, dropped).await.is_ok(), "the first piece comes");
    assert!(timeout(PATIENCE, caller_left).await.is_ok(), "the service notices");
}

/// A refused key is told with the setting to check, and is not worth a retry.
pub async fn a_refused_key_is_unauthorized(stage: impl Stage) {
    let error = failure(&stage, Scenario::RefusesKey).await;
    assert!(matches!(&error, ModelError::Unauthorized { setting, .. } if !setting.is_empty()), "{error:?}");
    assert!(!error.is_transient());
}

/// A model that is not there is told by its name and setting, and is not worth a retry.
pub async fn a_missing_model_is_unknown(stage: impl Stage) {
    let staged = stage.set(Scenario::LacksModel).await;
    let asked = staged.provider.model(ModelSize::Large).to_owned();
    let error = failure(&stage, Scenario::LacksModel).await;
    assert!(matches!(&error, ModelError::UnknownModel { model, setting, .. } if *model == asked && !setting.is_empty()), "{error:?}");
    assert!(!error.is_transient());
}

/// Another refusal carries its status and explanation, and is not worth a retry.
pub async fn a_rejected_request_says_why(stage: impl Stage) {
    let error = failure(&stage, Scenario::Rejects).await;
    let ModelError::Rejected { status, message, .. } = &error else { panic!("{error:?}") };
    assert!((400..500).contains(status) && !message.is_empty() && message.chars().count() <= 500, "{error:?}");
    assert!(!error.is_transient());
}

/// A service that asks to wait for long is not waited for; its wish is passed on.
pub async fn a_busy_service_is_passed_on_with_its_wish_to_wait(stage: impl Stage) {
    let error = failure(&stage, Scenario::Busy(LONG_WAIT)).await;
    assert!(matches!(error, ModelError::Busy { .. }), "{error:?}");
    assert_eq!((error.is_transient(), error.retry_after()), (true, Some(LONG_WAIT)));
}

/// A refused connection is told with the address.
pub async fn nobody_there_is_unreachable(stage: impl Stage) {
    let error = failure(&stage, Scenario::NobodyThere).await;
    assert!(matches!(&error, ModelError::Unreachable { url, .. } if url.contains("://")), "{error:?}");
    assert!(error.is_transient());
}

/// An answer that breaks off is an error, though pieces of it were shown.
pub async fn a_broken_answer_is_cut_off(stage: impl Stage) {
    let error = failure(&stage, Scenario::BreaksOff).await;
    assert!(matches!(error, ModelError::CutOff { .. }) && error.is_transient(), "{error:?}");
}

/// Silence ends with the provider's limit.
pub async fn silence_times_out(stage: impl Stage) {
    let error = failure(&stage, Scenario::Silent).await;
    assert!(matches!(error, ModelError::TimedOut { .. }) && error.is_transient(), "{error:?}");
}

/// What is not an answer is not taken for one.
pub async fn nonsense_is_unreadable(stage: impl Stage) {
    let error = failure(&stage, Scenario::TalksNonsense).await;
    assert!(matches!(error, ModelError::Unreadable { .. }) && error.is_transient(), "{error:?}");
}

/// Every promise of a model provider, each as a test of its own, on the [`models::Stage`](crate::models::Stage) that
/// the expression makes. A provider without a service behind it writes `offline` first and runs those that apply.
#[macro_export]
macro_rules! model_contract {
    (offline $stage:expr) => {
        $crate::model_contract!(@ $stage;
            a_text_equals_its_pieces_joined,
            an_answer_names_its_model_and_counts_tokens,
            a_decision_is_a_call_of_an_offered_tool
        );
    };
    (@ $stage:expr; $($promise:ident),+) => {
        $(
            #[tokio::test]
            async fn $promise() {
                $crate::models::$promise($stage).await;
            }
        )+
    };
    ($stage:expr) => {
        $crate::model_contract!(offline $stage);
        $crate::model_contract!(@ $stage;
            nothing_shows_the_key,
            the_text_is_what_the_service_said,
            characters_split_over_packets_arrive_whole,
            a_calls_arguments_are_parsed,
            dropping_the_future_ends_the_request,
            a_refused_key_is_unauthorized,
            a_missing_model_is_unknown,
            a_rejected_request_says_why,
            a_busy_service_is_passed_on_with_its_wish_to_wait,
            nobody_there_is_unreachable,
            a_broken_answer_is_cut_off,
            silence_times_out,
            nonsense_is_unreadable
        );
    };
}

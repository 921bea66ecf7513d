//! Asking providers of scripted services, and what the tests of all of them look for in the answer.

#![expect(clippy::missing_panics_doc, reason = "an assertion panics where it does not hold")]

use core_types::Secret;
use core_types::models::{
    ModelConnector, ModelError, ModelProvider, ModelSettings, ModelSize, NoSink, Purpose, Role, TextRequest, TextResponse, Turn,
};

use crate::scripted::{Recorded, Reply, ScriptedModel};

/// Settings from a list of names and values.
#[derive(Debug, Clone, Default)]
pub struct Settings(Vec<(&'static str, String)>);

impl Settings {
    /// These settings; the first of a name counts.
    pub fn of(settings: &[(&'static str, &str)]) -> Self {
        Self(settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }
}

impl ModelSettings for Settings {
    fn get(&self, name: &str) -> Option<Secret> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, value)| Secret::new(value))
    }
}

/// Ann greets Ada.
pub fn greeting() -> TextRequest {
    TextRequest {
        size: ModelSize::Large,
        purpose: Purpose::Reply,
        system: "You are Ada.".to_owned(),
        turns: vec![Turn::text(Role::User, "Ann", "Hello")],
        tools: Vec::new(),
        max_output_tokens: 50,
        temperature: None,
    }
}

/// Sends a request to a service with these replies, by the provider that `connect` makes for its base URL: what came of
/// it, and the requests that the service took.
pub async fn ask<P: ModelProvider>(
    connect: fn(&str) -> P,
    request: TextRequest,
    replies: impl IntoIterator<Item = Reply>,
) -> (Result<TextResponse, ModelError>, Vec<Recorded>) {
    let model = ScriptedModel::serving(replies).await;
    let outcome = connect(model.base_url()).generate(request, &NoSink).await;
    (outcome, model.requests())
}

/// Asserts that a stream is an answer with the text `One`, or else that it is known to have broken off.
pub async fn assert_complete<P: ModelProvider>(connect: fn(&str) -> P, stream: Reply, complete: bool) {
    let shown = format!("{stream:?}");
    match ask(connect, greeting(), [stream]).await.0 {
        Ok(response) => assert!(complete && response.text == "One", "{shown}: {response:?}"),
        Err(error) => assert!(!complete && matches!(error, ModelError::CutOff { .. }), "{shown}: {error:?}"),
    }
}

/// Asserts that a reply is not taken for an answer.
pub async fn assert_unreadable<P: ModelProvider>(connect: fn(&str) -> P, reply: Reply) {
    let shown = format!("{reply:?}");
    let outcome = ask(connect, greeting(), [reply]).await.0;
    assert!(matches!(outcome, Err(ModelError::Unreadable { .. })), "{shown}: {outcome:?}");
}

/// Asserts that a refusal is told at once, as one that will not pass.
pub async fn assert_final<P: ModelProvider>(connect: fn(&str) -> P, refusal: Reply) {
    let shown = format!("{refusal:?}");
    let (outcome, requests) = ask(connect, greeting(), [refusal, Reply::text("too late")]).await;
    assert!(matches!(&outcome, Err(error) if !error.is_transient()), "{shown}: {outcome:?}");
    assert_eq!(requests.len(), 1, "{shown}");
}

/// Asserts that settings are refused by the name of the one that is wrong, and that its value, which has `secret` in it, is
/// not shown.
pub fn assert_misconfigured(connector: &dyn ModelConnector, settings: &Settings, name: &str, secret: &str) {
    let Err(error) = connector.connect(settings) else { panic!("{name} was taken") };
    assert!(matches!(error, ModelError::Misconfigured { .. }), "{error:?}");
    assert!(error.to_string().contains(name) && !format!("{error} {error:?}").contains(secret), "{error:?}");
}

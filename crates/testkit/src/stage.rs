//! The scenarios of the model contract, played by a scripted service.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use contract::models::{Scenario, Stage, Staged};
use core_types::models::ModelProvider;
use tokio::net::TcpListener;

use crate::gate::Gate;
use crate::scripted::{Reply, ScriptedModel};

/// Puts a provider in front of a scripted service.
pub struct ScriptedStage<P> {
    key: &'static str,
    connect: fn(&str) -> P,
}

impl<P> ScriptedStage<P> {
    /// A stage for the providers that `connect` makes for a base URL. They have this key and wait for a few seconds at
    /// most.
    pub const fn new(key: &'static str, connect: fn(&str) -> P) -> Self {
        Self { key, connect }
    }
}

#[async_trait]
impl<P: ModelProvider + Debug + 'static> Stage for ScriptedStage<P> {
    async fn set(&self, scenario: Scenario) -> Staged {
        let nobody = scenario == Scenario::NobodyThere;
        let key = self.key;
        let model = match ScriptedModel::answering(move |_| reply(&scenario, key)).await {
            Ok(model) => Arc::new(model),
            Err(error) => panic!("{error}"),
        };
        let provider = (self.connect)(&if nobody { nobody_there().await } else { model.base_url().to_owned() });
        let watched = Arc::clone(&model);
        Staged {
            debug: format!("{provider:?}"),
            provider: Arc::new(provider),
            key: key.to_owned(),
            caller_left: Box::pin(async move { watched.callers_left(1).await }),
            service: Box::new(model),
        }
    }
}

fn reply(scenario: &Scenario, key: &str) -> Reply {
    let pieces = |pieces: &[&str]| pieces.iter().map(|piece| (*piece).to_owned()).collect::<Vec<_>>();
    match scenario {
        Scenario::Says(said) => Reply::Text(pieces(said)),
        Scenario::SaysInBytes(text) => Reply::InBytes(pieces(&[text])),
        Scenario::Calls { name, arguments } => Reply::tool_call(name, arguments.clone()),
        Scenario::NeverEnds => {
            let gate = Gate::closed();
            gate.let_through(1);
            Reply::Held { pieces: pieces(&["One.", "Two."]), gate }
        }
        Scenario::RefusesKey => Reply::refusal(401, &format!("Incorrect API key: {key}")),
        Scenario::LacksModel => Reply::refusal(404, "model: there is none of that name"),
        Scenario::Rejects => Reply::refusal(400, &format!("no good, {key}: {}", "x".repeat(5000))),
        Scenario::Busy(wait) => {
            Reply::Status { code: 429, headers: vec![("retry-after".to_owned(), wait.as_secs().to_string())], body: "{}".to_owned() }
        }
        Scenario::BreaksOff => Reply::CutAfter(pieces(&["One. "])),
        Scenario::NobodyThere | Scenario::Silent => Reply::Silence,
        Scenario::TalksNonsense => Reply::Garbage,
    }
}

/// An address where nobody listens any more.
async fn nobody_there() -> String {
    match TcpListener::bind("127.0.0.1:0").await.and_then(|listener| listener.local_addr()) {
        Ok(address) => format!("http://{address}/v1"),
        Err(error) => panic!("{error}"),
    }
}

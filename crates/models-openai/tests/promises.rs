//! The adapter keeps the promises of a model provider.

mod common;

use std::sync::Arc;

use async_trait::async_trait;
use common::{KEY, provider};
use contract::models::{Scenario, Stage, Staged};
use serde_json::json;
use testkit::gate::Gate;
use testkit::scripted::{Reply, ScriptedModel};
use tokio::net::TcpListener;

struct Scripted;

fn reply(scenario: &Scenario) -> Reply {
    let pieces = |pieces: &[&str]| pieces.iter().map(|piece| (*piece).to_owned()).collect::<Vec<_>>();
    match scenario {
        Scenario::Says(said) => Reply::Text(pieces(said)),
        Scenario::SaysInBytes(text) => {
            let chunk = json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]});
            let stream = format!("data: {chunk}\n\ndata: [DONE]\n\n");
            Reply::Portions(stream.bytes().map(|byte| vec![byte]).collect())
        }
        Scenario::Calls { name, arguments } => Reply::tool_call(name, arguments.clone()),
        Scenario::NeverEnds => {
            let gate = Gate::closed();
            gate.let_through(1);
            Reply::Held { pieces: pieces(&["One.", "Two."]), gate }
        }
        Scenario::RefusesKey => Reply::status(401, &json!({"error": {"message": format!("Incorrect API key: {KEY}")}}).to_string()),
        Scenario::LacksModel => Reply::status(404, r#"{"error": {"message": "The model does not exist", "code": "model_not_found"}}"#),
        Scenario::Rejects => {
            Reply::status(400, &json!({"error": {"message": format!("no good, {KEY}: {}", "x".repeat(5000))}}).to_string())
        }
        Scenario::Busy(wait) => {
            Reply::Status { code: 429, headers: vec![("retry-after".to_owned(), wait.as_secs().to_string())], body: "{}".to_owned() }
        }
        Scenario::BreaksOff => Reply::CutAfter(pieces(&["One. "])),
        Scenario::NobodyThere | Scenario::Silent => Reply::Silence,
        Scenario::TalksNonsense => Reply::Garbage,
    }
}

#[async_trait]
impl Stage for Scripted {
    async fn set(&self, scenario: Scenario) -> Staged {
        let nobody = scenario == Scenario::NobodyThere;
        let model = match ScriptedModel::answering(move |_| reply(&scenario)).await {
            Ok(model) => Arc::new(model),
            Err(error) => panic!("{error}"),
        };
        let provider = provider(&if nobody { nobody_there().await } else { model.base_url().to_owned() });
        let watched = Arc::clone(&model);
        Staged {
            debug: format!("{provider:?}"),
            provider: Arc::new(provider),
            key: KEY.to_owned(),
            caller_left: Box::pin(async move { watched.callers_left(1).await }),
            service: Box::new(model),
        }
    }
}

/// An address where nobody listens any more.
async fn nobody_there() -> String {
    match TcpListener::bind("127.0.0.1:0").await.and_then(|listener| listener.local_addr()) {
        Ok(address) => format!("http://{address}/v1"),
        Err(error) => panic!("{error}"),
    }
}

contract::model_contract!(Scripted);

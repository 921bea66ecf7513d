//! Agents that speak through a model, mostly of the OpenAI kind: what it is sent, what becomes of its answers, and who
//! is told when it fails.

use serde_json::{Value, json};
use testkit::caller::{Caller, Event, Events};
use testkit::scripted::{Reply, ScriptedModel};
use testkit::server::TestServer;

use crate::support::{
    ANN, create_channel, dm, exchange, names, post, running_agent, saying, snapshot, speaking, speaking_with, stream, text, texts, watch,
    with,
};

fn is_decision(request: &Value) -> bool {
    request["tools"].to_string().contains("\"RESPOND\"")
}

fn last_said(request: &Value) -> String {
    request["messages"].as_array().and_then(|messages| messages.last()).map(|message| message["content"].to_string()).unwrap_or_default()
}

/// What the agent's log says of failures.
async fn logged_errors(caller: &Caller, agent: &str) -> String {
    caller.get(&format!("/api/agents/{agent}/logs?level=error&limit=100")).await.data(200).to_string()
}

#[tokio::test]
async fn pieces_reach_every_reader_as_the_model_makes_them() {
    let model = saying("one two three").await;
    let (server, ann) = speaking(&model).await;
    let (_, channel) = dm(&server, &ann).await;
    let mut watching = watch(&ann, &channel).await;
    let reading = stream(&ann, &channel, "count").await.all().await;
    let mut watched = Vec::new();
    while watched.last().is_none_or(|event: &Event| event.name != "message_complete") {
        watched.push(watching.next().await.unwrap());
    }
    assert_eq!(names(&reading), ["user_message", "chunk", "chunk", "chunk", "done"]);
    assert_eq!(names(&watched), ["message", "chunk", "chunk", "chunk", "message", "message_complete"]);
    let pieces = |events: &[Event]| events.iter().filter(|event| event.name == "chunk").map(|event| event.data.clone()).collect::<Vec<_>>();
    assert_eq!(pieces(&reading), pieces(&watched));
    assert_eq!(pieces(&reading).iter().map(|piece| piece["index"].as_i64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);

    let request = &model.requests()[0];
    assert_eq!(request.header("authorization"), Some("Bearer sk-server"));
    assert_eq!((&request.body["stream"], &request.body["model"]), (&json!(true), &json!("gpt-4o")));
    assert!(last_said(&request.body).contains("count"));
}

#[tokio::test]
async fn rooms_are_followed_and_muted_by_what_the_model_calls() {
    let model = ScriptedModel::answering(|request| {
        let said = last_said(request);
        let tool = ["UNFOLLOW_ROOM", "FOLLOW_ROOM", "UNMUTE_ROOM", "MUTE_ROOM"].into_iter().find(|tool| said.contains(tool));
        match tool {
            _ if is_decision(request) => Reply::tool_call("IGNORE", json!({})),
            Some(tool) => Reply::tool_call(tool, json!({})),
            None => Reply::text("I am here"),
        }
    });
    let model = model.await.unwrap();
    let (server, ann) = speaking(&model).await;
    let alice = running_agent(&ann, "Alice").await;
    server.record().name(&alice, "alice");
    let channel = create_channel(&ann, "GROUP", &[ANN, &alice]).await;
    let mut events = watch(&ann, &channel).await;
    for (said, answered) in [
        ("nice weather", false),
        ("Alice, FOLLOW_ROOM", false),
        ("nice weather", true),
        ("Alice, MUTE_ROOM", false),
        ("nice weather", false),
        ("Alice, UNMUTE_ROOM", false),
        ("nice weather", false),
        ("Alice?", true),
    ] {
        post(&ann, &channel, said).await;
        let end = events.until("message_complete").await;
        assert_eq!(end.data["state"], if answered { "replied" } else { "ignored" }, "{said}");
    }
    let decisions = model.requests().iter().filter(|request| is_decision(&request.body)).count();
    assert_eq!(decisions, 2, "the model is asked whether to answer only where no rule says so");
    let logs = ann.get(&format!("/api/agents/{alice}/logs?type=action&limit=100")).await.data(200);
    for tool in ["FOLLOW_ROOM", "MUTE_ROOM", "UNMUTE_ROOM"] {
        assert!(logs.to_string().contains(tool), "{tool} is logged: {logs}");
    }
}

#[tokio::test]
async fn a_tool_that_does_not_exist_is_told_to_the_model_which_then_answers() {
    let model = ScriptedModel::start([Reply::tool_call("MAKE_COFFEE", json!({"cups": 2})), Reply::text("no coffee")]).await.unwrap();
    let (server, ann) = speaking(&model).await;
    let (_, channel) = dm(&server, &ann).await;
    let answer = exchange(&ann, &channel, "coffee!", "http").await;
    assert_eq!(answer.json()["agentResponse"]["text"], "no coffee", "{answer}");
    assert!(last_said(&model.requests()[1].body).contains("MAKE_COFFEE"));
}

async fn refusing(code: u16, body: &'static str) -> (ScriptedModel, TestServer, Caller) {
    let model = ScriptedModel::answering(move |_| Reply::status(code, body)).await.unwrap();
    let (server, ann) = speaking(&model).await;
    (model, server, ann)
}

#[tokio::test]
async fn a_wrong_key_is_told_to_whoever_waits_and_to_whoever_reads_the_log() {
    let (model, server, ann) =
        refusing(401, r#"{"error":{"message":"Incorrect API key provided: sk-server","code":"invalid_api_key"}}"#).await;
    let (alice, channel) = dm(&server, &ann).await;
    let answer = exchange(&ann, &channel, "ping", "http").await;
    snapshot!("model_refuses_the_key_by_http", answer);
    let events = stream(&ann, &channel, "ping").await.all().await;
    snapshot!("model_refuses_the_key_by_sse", Events::shown(server.record(), &events));
    assert!(text(&answer.json()["error"]["message"]).contains("OPENAI_API_KEY"), "the reason says what to mend");
    assert!(logged_errors(&ann, &alice).await.contains("OPENAI_API_KEY"));
    let mut watching = watch(&ann, &channel).await;
    let end = watching.until("message_complete").await;
    assert_eq!(end.data["state"], "failed");
    assert!(text(&end.data["error"]).contains("OPENAI_API_KEY"));
    assert_eq!(model.requests().len(), 2, "what cannot succeed is not tried again");
    assert_eq!(texts(&ann, &channel).await, ["ping", "ping"]);
    assert!(!server.record().text().contains("sk-server"), "no answer repeats the key");
}

#[tokio::test]
async fn a_model_that_does_not_exist_is_named() {
    let (_model, server, ann) = refusing(404, r#"{"error":{"message":"no such model","code":"model_not_found"}}"#).await;
    let (alice, channel) = dm(&server, &ann).await;
    let reason = exchange(&ann, &channel, "ping", "http").await.error(500, "PROCESSING_ERROR");
    assert!(reason.contains("gpt-4o") && reason.contains("OPENAI_LARGE_MODEL"), "{reason}");
    assert!(logged_errors(&ann, &alice).await.contains("OPENAI_LARGE_MODEL"));
}

#[tokio::test]
async fn a_busy_model_is_asked_again() {
    let model = ScriptedModel::start([Reply::status(503, "busy"), Reply::text("pong")]).await.unwrap();
    let (server, ann) = speaking(&model).await;
    let (alice, channel) = dm(&server, &ann).await;
    let events = stream(&ann, &channel, "ping").await.all().await;
    assert_eq!((names(&events), &events[2].data["text"]), (vec!["user_message", "chunk", "done"], &json!("pong")));
    assert_eq!((model.requests().len(), logged_errors(&ann, &alice).await.as_str()), (2, "[]"));
    assert_eq!(texts(&ann, &channel).await, ["ping", "pong"]);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_made_again_with_the_same_id() {
    let model = ScriptedModel::start([Reply::CutAfter(vec!["half an ".to_owned()]), Reply::text("a whole answer")]).await.unwrap();
    let (server, ann) = speaking(&model).await;
    let (alice, channel) = dm(&server, &ann).await;
    let events = stream(&ann, &channel, "ping").await.all().await;
    assert_eq!(names(&events), ["user_message", "chunk", "done"], "pieces are shown on the first attempt only");
    assert_eq!((text(&events[1].data["chunk"]).trim_end(), &events[2].data["text"]), ("half an", &json!("a whole answer")));
    assert_eq!(events[1].data["messageId"], events[2].data["messageId"]);
    assert_eq!(texts(&ann, &channel).await, ["ping", "a whole answer"]);
    assert!(logged_errors(&ann, &alice).await.contains("error"));
}

#[tokio::test]
async fn an_agents_own_key_and_address_go_together() {
    let (own, servers) = (saying("from my own model").await, saying("from the server's model").await);
    let (server, ann) = speaking(&servers).await;
    let settings = json!({"OPENAI_BASE_URL": own.base_url(), "secrets": {"OPENAI_API_KEY": "sk-own"}, "OPENAI_LARGE_MODEL": "mine"});
    let (alice, channel) = dm(&server, &ann).await;
    ann.patch(&format!("/api/agents/{alice}"), &json!({"settings": settings})).await.data(200);
    assert_eq!(exchange(&ann, &channel, "ping", "http").await.json()["agentResponse"]["text"], "from my own model");
    let asked = &own.requests()[0];
    assert_eq!((asked.header("authorization"), &asked.body["model"]), (Some("Bearer sk-own"), &json!("mine")));

    let no_key = json!({"settings": {"secrets": {"OPENAI_API_KEY": null}}});
    ann.patch(&format!("/api/agents/{alice}"), &no_key).await.data(200);
    exchange(&ann, &channel, "ping", "http").await.data(201);
    assert_eq!(own.requests()[1].header("authorization"), None, "the server's key does not go to an agent's address");
    assert!(servers.requests().is_empty());
}

#[tokio::test]
async fn a_server_with_a_key_for_anthropic_speaks_its_api() {
    let model = ScriptedModel::start([Reply::tool_call("DANCE", json!({})), Reply::text("I cannot dance.")]).await.unwrap();
    let (server, ann) = with(&[("ANTHROPIC_BASE_URL", model.base_url()), ("ANTHROPIC_API_KEY", "sk-server")]).await;
    let (_, channel) = dm(&server, &ann).await;
    assert_eq!(exchange(&ann, &channel, "Dance!", "http").await.data(201)["agentResponse"]["text"], "I cannot dance.");
    let [_, asked] = model.requests().try_into().expect("the model is told that it cannot, and asked again");
    assert_eq!((asked.path.as_str(), asked.header("x-api-key")), ("/v1/messages", Some("sk-server")));
    let messages = &asked.body["messages"];
    let said: Vec<_> = (0..3).map(|at| (text(&messages[at]["role"]), text(&messages[at]["content"][0]["type"]))).collect();
    assert_eq!(said, [("user", "text"), ("assistant", "tool_use"), ("user", "tool_result")].map(|(a, b)| (a.to_owned(), b.to_owned())));
}

#[tokio::test]
async fn without_any_model_the_built_in_one_answers() {
    let (server, ann) = with(&[]).await;
    let (_, channel) = dm(&server, &ann).await;
    let answer = exchange(&ann, &channel, "I am sad", "http").await;
    assert!(!text(&answer.data(201)["agentResponse"]["text"]).is_empty());
}

#[tokio::test]
async fn a_run_without_end_is_given_up() {
    let model = ScriptedModel::answering(|_| Reply::Silence).await.unwrap();
    let (server, ann) = speaking_with(&model, &[("RUN_TIMEOUT_SECONDS", "1"), ("REPLY_WAIT_SECONDS", "1")]).await;
    let (alice, channel) = dm(&server, &ann).await;
    exchange(&ann, &channel, "ping", "http").await.error(504, "REPLY_TIMEOUT");
    tokio::time::timeout(testkit::house::PATIENCE, model.callers_left(1)).await.expect("the request ends with the run");
    // Stopped, so that the attempts that would follow do not hold up the end of the server.
    ann.post(&format!("/api/agents/{alice}/stop"), &json!({})).await.data(200);
}

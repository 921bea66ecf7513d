//! From a posted message to the agent's reply: what is said, shown, remembered and recorded.

use std::sync::Arc;

use core_types::actions::{Action, ActionContext, ActionError, ActionOutcome};
use core_types::deliveries::DeliveryState;
use core_types::memory::{MESSAGES, MemoryFilter, RoomQuery, RoomState};
use core_types::messaging::{MessagingService, NewMessage};
use core_types::models::{Capabilities, ModelError, Purpose, Role, ToolSpec, Usage};
use core_types::runs::{LogFilter, RunStatus};
use core_types::{Caller, JsonObject, MemoryId, Page};
use doolittle_runtime::ActionRegistry;
use serde_json::{Value, json};
use testkit::house::{House, Plan, person};
use testkit::scripted_provider::{Said, ScriptedProvider};

fn all_logs() -> LogFilter {
    LogFilter { limit: 100, ..LogFilter::default() }
}

/// A model that decides to answer and then says "pong".
fn pong() -> Arc<ScriptedProvider> {
    Arc::new(ScriptedProvider::new(|request| match request.purpose {
        Purpose::Decide => Ok(Said::call("RESPOND", json!({}))),
        Purpose::Reply | Purpose::Title | Purpose::Reflect => {
            Ok(Said { usage: Usage { input: 7, output: 3 }, ..Said::text("pong and more") })
        }
    }))
}

#[tokio::test]
async fn a_message_in_a_dm_is_answered_shown_remembered_and_recorded() {
    let house = House::open(Plan::with(pong())).await;
    let agent = house.agent_named("Eliza").await;
    let channel = house.channel("DM", &[person(1), agent.into()], json!({})).await;
    let mut watch = house.watch(channel).await;
    let posted = house.post(channel, person(1), "ping").await.message;
    let (completion, reply) = watch.end().await;
    let reply = reply.unwrap();

    assert_eq!((reply.content.as_str(), reply.author_id, reply.in_reply_to), ("pong and more", agent.into(), Some(posted.id)));
    assert_eq!(reply.raw, Some(json!({"text": "pong and more", "actions": ["REPLY"]}).into()));
    assert_eq!(reply.metadata.to_value()["agentName"], "Eliza");
    assert_eq!(watch.chunks, reply.content);
    assert_eq!((completion.state, completion.reply_id), (DeliveryState::Replied, Some(reply.id)));
    assert_eq!(house.delivery(&completion).await.reply_id, reply.id);

    let memories = house
        .store
        .memories()
        .list(agent, MemoryFilter::table(MESSAGES).in_room(agent.room_of(channel)), Page::first(10))
        .await
        .unwrap()
        .items;
    let remembered: Vec<_> = memories.iter().map(|memory| (memory.id, memory.text(), memory.entity_id)).collect();
    let said = MemoryId::new(reply.id.uuid());
    assert_eq!(remembered, [(said, "pong and more", agent.into()), (agent.memory_of(posted.id), "ping", person(1))]);

    let runs = house.runs(agent).await;
    assert_eq!((runs.len(), runs[0].status, runs[0].message_id), (1, RunStatus::Completed, agent.memory_of(posted.id)));
    assert_eq!(runs[0].metadata["tokens"], json!({"input": 7, "output": 3}));
    assert_eq!(runs[0].metadata["model"], "scripted-large");
    assert_eq!(runs[0].metadata["counts"]["modelCalls"], 1);
    let logs = house.store.runs().logs(agent, all_logs()).await.unwrap();
    let kinds: Vec<_> = logs.iter().rev().map(|line| (line.kind.as_str(), line.body["status"].as_str())).collect();
    assert_eq!(kinds, [("run_event", Some("started")), ("useModel:TEXT_LARGE", None), ("run_event", Some("completed"))]);
    assert_eq!(logs[1].body["tokens"]["total"], 10);
}

#[tokio::test]
async fn in_a_group_the_model_decides_unless_a_name_a_mention_or_a_reply_does() {
    let model = Arc::new(ScriptedProvider::new(|request| match request.purpose {
        Purpose::Decide => Ok(Said::call("IGNORE", json!({}))),
        Purpose::Reply | Purpose::Title | Purpose::Reflect => Ok(Said::text("yes?")),
    }));
    let house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    let agent = house.agent_named("Eliza").await;
    let channel = house.channel("GROUP", &[person(1), agent.into()], json!({})).await;
    let mut watch = house.watch(channel).await;

    house.post(channel, person(1), "nice weather").await;
    assert_eq!(watch.end().await.0.state, DeliveryState::Ignored);
    house.post(channel, person(1), "what do you say, ELIZA?").await;
    let reply = watch.reply().await;
    let mut answer = House::message(channel, person(2), "indeed");
    answer.in_reply_to = Some(reply.id);
    house.messaging.post(&Caller::owner(), answer).await.unwrap();
    watch.reply().await;
    let mut mention = House::message(channel, person(2), "over here");
    mention.metadata.insert("mentionContext".to_owned(), json!({"isMention": true}));
    house.messaging.post(&Caller::owner(), mention).await.unwrap();
    watch.reply().await;

    let asked = model.requests().iter().filter(|request| request.purpose == Purpose::Decide).count();
    assert_eq!(asked, 1, "the model is asked only where no rule decides");
    let memories = house.store.memories().list(agent, MemoryFilter::table(MESSAGES), Page::first(10)).await.unwrap().items;
    assert_eq!(memories.len(), 7, "ignored messages are remembered too");
}

#[tokio::test]
async fn rooms_are_muted_and_followed_by_tool_calls() {
    let model = Arc::new(ScriptedProvider::new(|request| {
        let last = request.turns.last().map(|turn| turn.text.clone()).unwrap_or_default();
        if request.purpose == Purpose::Decide {
            return Ok(Said::text("IGNORE"));
        }
        let tool = ["UNMUTE_ROOM", "MUTE_ROOM", "UNFOLLOW_ROOM", "FOLLOW_ROOM"].into_iter().find(|tool| last.ends_with(tool));
        Ok(tool.map_or_else(|| Said::text("fine"), |tool| Said { pieces: vec!["done".into()], ..Said::call(tool, json!({})) }))
    }));
    let house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    let agent = house.agent_named("Eliza").await;
    let channel = house.channel("GROUP", &[person(1), agent.into()], json!({})).await;
    let mut watch = house.watch(channel).await;
    let silent = DeliveryState::Ignored;
    for (text, state, room) in [
        ("hello there", silent, RoomState::None),
        ("Eliza, please FOLLOW_ROOM", DeliveryState::Replied, RoomState::Followed),
        ("hello there", DeliveryState::Replied, RoomState::Followed),
        ("Eliza, please MUTE_ROOM", DeliveryState::Replied, RoomState::Muted),
        ("hello there", silent, RoomState::Muted),
        ("Eliza, please UNMUTE_ROOM", DeliveryState::Replied, RoomState::None),
        ("hello there", silent, RoomState::None),
    ] {
        house.post(channel, person(1), text).await;
        assert_eq!(watch.end().await.0.state, state, "{text}");
        let context = house.store.memories().room_context(agent, RoomQuery::conversation(agent.room_of(channel), 5, 5)).await.unwrap();
        assert_eq!(context.state, room, "{text}");
    }
    let offered: Vec<_> = model.requests()[1].tools.iter().map(|tool| tool.name.clone()).collect();
    assert_eq!(offered, ["REPLY", "IGNORE", "NONE", "FOLLOW_ROOM", "MUTE_ROOM"], "only what makes sense is offered");
}

struct Weather;

#[async_trait::async_trait]
impl Action for Weather {
    fn spec(&self) -> ToolSpec {
        ToolSpec { name: "GET_WEATHER".into(), description: "The weather.".into(), parameters: json!({"type": "object"}) }
    }

    async fn run(&self, context: ActionContext<'_>, arguments: Value) -> Result<ActionOutcome, ActionError> {
        assert_eq!(context.agent_name, "Eliza");
        match arguments.get("city").and_then(Value::as_str) {
            Some(city) => Ok(ActionOutcome { tells_model: Some(format!("rain in {city}")), ..ActionOutcome::default() }),
            None => Err(ActionError { message: "which city?".into() }),
        }
    }
}

#[tokio::test]
async fn what_an_added_action_finds_out_goes_back_to_the_model() {
    let model = Arc::new(ScriptedProvider::new(|request| {
        let last = request.turns.last().unwrap();
        Ok(match (last.role, last.text.as_str()) {
            (Role::User, _) => Said { pieces: vec!["Let me see.".into()], ..Said::call("get_weather", json!({})) },
            (Role::Tool, "failed: which city?") => Said::call("GET_WEATHER", json!({"city": "Ulm"})),
            (Role::Tool, told) => Said::text(&format!("There is {told}.")),
            (Role::Assistant, _) => Said::text("unexpected"),
        })
    }));
    let plan = Plan { actions: ActionRegistry::default().with(Arc::new(Weather)), ..Plan::with(Arc::<ScriptedProvider>::clone(&model)) };
    let house = House::open(plan).await;
    let agent = house.agent_named("Eliza").await;
    let channel = house.channel("DM", &[person(1), agent.into()], json!({})).await;
    let mut watch = house.watch(channel).await;
    house.post(channel, person(1), "What is the weather?").await;
    let reply = watch.reply().await;
    assert_eq!(reply.content, "Let me see.\n\nThere is rain in Ulm.");
    assert_eq!(watch.chunks, reply.content);
    assert_eq!(reply.raw.as_ref().unwrap().to_value()["actions"], json!(["REPLY", "GET_WEATHER"]));
    let last = model.requests().pop().unwrap();
    let roles: Vec<_> = last.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Assistant, Role::Tool]);
    let logs = house.store.runs().logs(agent, LogFilter { kind: Some("action".into()), ..all_logs() }).await.unwrap();
    let results: Vec<_> = logs.iter().rev().map(|line| line.body["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["failed", "completed"]);
}

#[tokio::test]
async fn silence_by_tool_call_ends_without_a_message_and_text_beats_silence() {
    let model = ScriptedProvider::new(|request| {
        let call = Said::call("IGNORE", json!({}));
        let spoken = request.turns.last().is_some_and(|turn| turn.text.contains("speak"));
        Ok(if spoken { Said { pieces: vec!["I speak".into()], ..call } } else { call })
    });
    let house = House::open(Plan::with(Arc::new(model))).await;
    let agent = house.agent_named("Eliza").await;
    let channel = house.channel("DM", &[person(1), agent.into()], json!({})).await;
    let mut watch = house.watch(channel).await;
    house.post(channel, person(1), "go away").await;
    let (completion, reply) = watch.end().await;
    assert_eq!((completion.state, reply), (DeliveryState::Ignored, None));
    house.post(channel, person(1), "speak").await;
    assert_eq!(watch.reply().await.raw.as_ref().unwrap().to_value()["actions"], json!(["REPLY"]));
}

#[tokio::test]
async fn an_answer_in_response_tags_is_read_and_only_its_text_is_shown() {
    let answer = "<response><thought>hm</thought><actions>REPLY</actions><text>2 &lt; 3</text></response>";
    let house = House::open(Plan::with(Arc::new(ScriptedProvider::saying(answer)))).await;
    let character = json!({
        "name": "Eliza", "bio": "b", "templates": {"messageHandlerTemplate": "I am {{agentName}}. {{recentMessages}} <response>"},
    });
    let agent = house.agent(character).await;
    let channel = house.channel("DM", &[person(1), agent.into()], json!({})).await;
    let mut watch = house.watch(channel).await;
    house.post(channel, person(1), "ping").await;
    let reply = watch.reply().await;
    assert_eq!((reply.content.as_str(), watch.chunks.as_str()), ("2 < 3", "2 < 3"));
    assert_eq!(reply.raw.as_ref().unwrap().to_value()["thought"], "hm");
}

#[tokio::test]
async fn calls_in_response_tags_have_ids_of_their_own_in_every_step() {
    let model = Arc::new(ScriptedProvider::new(|request| {
        let asked_for = request.turns.iter().filter(|turn| turn.role == Role::Tool).count();
        Ok(Said::text(if asked_for < 2 { "<response><actions>DANCE</actions></response>" } else { "I cannot." }))
    }));
    let house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    let agent = house.agent_named("Eliza").await;
    let channel = house.channel("DM", &[person(1), agent.into()], json!({})).await;
    let mut watch = house.watch(channel).await;
    house.post(channel, person(1), "dance!").await;
    assert_eq!(watch.reply().await.content, "I cannot.");
    let requests = model.requests();
    let calls: Vec<_> = requests.last().unwrap().turns.iter().flat_map(|turn| &turn.calls).map(|call| call.id.as_str()).collect();
    assert_eq!(calls, ["response-1", "response-2"]);
}

#[tokio::test]
async fn nobody_passes_for_another_by_a_name() {
    let model = Arc::new(ScriptedProvider::saying("noted"));
    let house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    let agent = house.agent_named("Eliza").await;
    let channel = house.channel("DM", &[person(1), person(2), person(3), agent.into()], json!({})).await;
    let mut watch = house.watch(channel).await;
    for (number, name) in [(1, "Ann"), (2, "ann "), (3, "ELIZA"), (1, "Ann")] {
        let said =
            NewMessage { author_name: Some(name.to_owned()), ..House::message(channel, person(number), &format!("said by {number}")) };
        house.messaging.post(&Caller::owner(), said).await.unwrap();
        watch.reply().await;
    }
    let last = model.requests().into_iter().rfind(|request| request.purpose == Purpose::Reply).unwrap();
    let of = |number| person(number).to_string()[..8].to_owned();
    let [ann, other, eliza] = [format!("Ann ({})", of(1)), format!("ann  ({})", of(2)), format!("ELIZA ({})", of(3))];
    let authors: Vec<_> = last.turns.iter().filter(|turn| turn.role == Role::User).map(|turn| turn.author.clone()).collect();
    assert_eq!(authors, [ann.clone(), other, eliza, ann.clone()]);
    assert!(last.system.contains(&ann), "{}", last.system);
    assert!(last.turns.iter().filter(|turn| turn.role == Role::Assistant).all(|turn| turn.author == "Eliza"));
}

#[tokio::test]
async fn the_character_and_what_it_knows_reach_the_model_and_the_history_is_cut_to_fit() {
    let small = Capabilities { tools: false, images: false, context_tokens: 3_000 };
    let model = Arc::new(ScriptedProvider::saying("noted").with_capabilities(small));
    let house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    let agent = house
        .agent(json!({
            "name": "Eliza", "bio": ["A gardener."], "system": "Be brief.", "topics": ["roses"], "adjectives": ["calm"],
            "style": {"all": ["use short words"]}, "lore": ["Grew up on a farm."],
            "knowledge": ["Tulips bloom in spring.", "Cars have wheels."],
            "messageExamples": [[{"name": "{{user1}}", "content": {"text": "hi"}}]],
        }))
        .await;
    let channel = house.channel("DM", &[person(1), agent.into()], json!({})).await;
    let mut watch = house.watch(channel).await;
    for number in 0..6 {
        house.post(channel, person(1), &format!("message {number} {}", "x".repeat(1200))).await;
        watch.reply().await;
    }
    house.post(channel, person(1), "When do tulips bloom?").await;
    watch.reply().await;

    let requests: Vec<_> = model.requests().into_iter().filter(|request| request.purpose == Purpose::Reply).collect();
    for part in ["You are Eliza.", "Be brief.", "A gardener.", "Tulips bloom in spring.", "use short words", "farm", "roses", "calm"] {
        assert!(requests[6].system.contains(part), "{part:?} is missing in {}", requests[6].system);
    }
    assert!(!requests[6].system.contains("wheels"), "what does not bear on the message is left out");
    let turns = &requests[6].turns;
    assert_eq!(turns.last().map(|turn| turn.text.as_str()), Some("When do tulips bloom?"));
    assert!(turns.len() > 3 && turns.len() < 9, "{} turns", turns.len());
    assert!(turns[turns.len() - 3].text.starts_with("message 5"), "the newest are kept");
    let size: usize = turns.iter().map(|turn| turn.text.len()).sum::<usize>() + requests[6].system.len();
    assert!(size < 3 * 3_000, "{size} bytes");
}

#[tokio::test]
async fn an_agent_that_is_too_large_to_be_kept_ready_answers_all_the_same() {
    let model = pong();
    let house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    // Many small settings take several times as much memory as they are as JSON.
    let named = |number: usize| (format!("a setting with the number {number}"), json!("v"));
    let mut settings: JsonObject = (0..49_000).map(named).collect();
    settings.insert("temperature".to_owned(), json!(0.25));
    let agent = house.agent(json!({"name": "Eliza", "bio": "b", "settings": settings})).await;
    let channel = house.channel("DM", &[person(1), agent.into()], json!({})).await;
    let mut watch = house.watch(channel).await;
    for text in ["ping", "ping again"] {
        house.post(channel, person(1), text).await;
        assert_eq!(watch.reply().await.content, "pong and more");
    }
    assert_eq!(model.requests().iter().map(|request| request.temperature).collect::<Vec<_>>(), [Some(0.25), Some(0.25)]);
}

#[tokio::test]
async fn a_failure_for_good_is_told_to_the_reader_the_log_and_the_run() {
    let refused = || ModelError::Unauthorized { provider: "scripted".into(), setting: "SCRIPTED_KEY".into() };
    let house = House::open(Plan::with(Arc::new(ScriptedProvider::new(move |_| Err(refused()))))).await;
    let agent = house.agent_named("Eliza").await;
    let channel = house.channel("DM", &[person(1), agent.into()], json!({})).await;
    let mut watch = house.watch(channel).await;
    house.post(channel, person(1), "ping").await;
    let (completion, reply) = watch.end().await;
    assert_eq!((completion.state, reply), (DeliveryState::Failed, None));
    let reason = "scripted refused the key; check SCRIPTED_KEY";
    assert_eq!(completion.error.as_deref(), Some(reason));
    assert_eq!(house.delivery(&completion).await.attempt, 1, "no retry on what is refused for good");
    let runs = house.runs(agent).await;
    assert_eq!((runs.len(), runs[0].status, runs[0].metadata["error"].as_str()), (1, RunStatus::Error, Some(reason)));
    let logs = house.store.runs().logs(agent, LogFilter { kind: Some("run_event".into()), ..all_logs() }).await.unwrap();
    assert_eq!(logs[0].body["error"], reason);
    let memories = house.store.memories().list(agent, MemoryFilter::table(MESSAGES), Page::first(10)).await.unwrap().items;
    assert_eq!(memories.len(), 1, "the message is remembered whatever the end");
}

//! The inbox: order, bounds, retries, superseding, stopping and starting again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use core_types::actions::{Action, ActionContext, ActionError, ActionOutcome};
use core_types::agents::AgentService;
use core_types::bus::{BusEvent, Topic};
use core_types::deliveries::{Busy, ClaimRequest, DeliveryState, MAX_ATTEMPTS, RESPITE_MILLIS, Shares};
use core_types::memory::{MESSAGES, MemoryFilter};
use core_types::messaging::{MessageDraft, MessagingService, PostMessage, PostOutcome, ReplyEvent, ReplyForm, Wake};
use core_types::models::{ModelError, ModelProvider, TextRequest, ToolSpec};
use core_types::runs::RunStatus;
use core_types::{AgentId, Caller, Clock, Json, MessageId, Page};
use doolittle_runtime::{ActionRegistry, Limits};
use serde_json::{Value, json};
use testkit::gate::Gate;
use testkit::house::{House, Plan, person};
use testkit::scripted_provider::{Said, ScriptedProvider};

mod clocks;
mod looking;

/// Longer than any pause before a retry.
const LONG: i64 = 10 * 60 * 1000;

fn echo() -> ScriptedProvider {
    ScriptedProvider::new(|request| Ok(Said::text(&format!("re: {}", last(request)))))
}

fn last(request: &TextRequest) -> &str {
    request.turns.last().map_or("", |turn| turn.text.as_str())
}

fn busy() -> ModelError {
    ModelError::Busy { provider: "scripted".into(), status: 503, retry_after: None }
}

async fn dm(house: &House) -> (AgentId, core_types::ChannelId) {
    let agent = house.agent_named("Eliza").await;
    (agent, house.channel("DM", &[person(1), person(2), agent.into()], json!({})).await)
}

#[tokio::test]
async fn a_newer_message_of_the_same_author_supersedes_a_reply_of_which_nothing_was_shown() {
    let gate = Gate::closed();
    let model = Arc::new(echo().behind(gate.clone()));
    let house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    let (agent, channel) = dm(&house).await;
    let mut watch = house.watch(channel).await;
    house.post(channel, person(1), "first").await;
    model.requests_seen(1).await;
    let second = house.post(channel, person(1), "second").await.message;
    let (older, none) = watch.end().await;
    assert_eq!((older.state, older.superseded_by, none), (DeliveryState::Superseded, Some(second.id), None));
    gate.open();
    assert_eq!(watch.reply().await.content, "re: second");
    let turns: Vec<_> = model.requests()[1].turns.iter().map(|turn| turn.text.clone()).collect();
    assert_eq!(turns, ["first", "second"], "the newer one's context includes the older");
    assert_eq!(house.store.memories().list(agent, MemoryFilter::table(MESSAGES), Page::first(10)).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn messages_that_waited_together_are_answered_once_per_author() {
    let gate = Gate::closed();
    let model = Arc::new(echo().behind(gate.clone()));
    let house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    let (_, channel) = dm(&house).await;
    let mut watch = house.watch(channel).await;
    house.post(channel, person(2), "blocker").await;
    model.requests_seen(1).await;
    for text in ["one", "two", "three"] {
        house.post(channel, person(1), text).await;
    }
    gate.open();
    assert_eq!(watch.reply().await.content, "re: blocker", "another author's message supersedes nothing");
    assert_eq!(watch.end().await.0.state, DeliveryState::Superseded);
    assert_eq!(watch.end().await.0.state, DeliveryState::Superseded);
    assert_eq!(watch.reply().await.content, "re: three");
}

#[tokio::test]
async fn a_reply_that_was_shown_is_finished_before_the_newer_message_is_answered() {
    let gate = Gate::closed();
    let house = House::open(Plan::with(Arc::new(echo().behind(gate.clone())))).await;
    let (_, channel) = dm(&house).await;
    let mut watch = house.watch(channel).await;
    house.post(channel, person(1), "first").await;
    gate.let_through(1);
    assert_eq!(watch.chunk().await, "re:");
    house.post(channel, person(1), "second").await;
    gate.open();
    assert_eq!(watch.reply().await.content, "re: first");
    assert_eq!(watch.reply().await.content, "re: second");
}

#[tokio::test]
async fn a_model_that_is_busy_is_asked_again_later_and_the_reply_is_shown_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let model = ScriptedProvider::new(move |_| match counter.fetch_add(1, Ordering::SeqCst) {
        0 => Err(busy()),
        _ => Ok(Said::text("at last")),
    });
    let house = House::open(Plan::with(Arc::new(model))).await;
    let (agent, channel) = dm(&house).await;
    let mut watch = house.watch(channel).await;
    let mut work = house.work().await;
    house.post(channel, person(1), "ping").await;
    // The first attempt has failed once its run is recorded.
    while house.runs(agent).await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1, "not again before its time");
    house.advance(LONG).await;
    let (completion, reply) = watch.end().await;
    assert_eq!((completion.state, reply.unwrap().content.as_str()), (DeliveryState::Replied, "at last"));
    assert_eq!(watch.chunks, "", "pieces are shown on the first attempt only");
    assert_eq!(house.delivery(&completion).await.attempt, 2);
    let statuses: Vec<_> = house.runs(agent).await.iter().map(|run| run.status).collect();
    assert_eq!(statuses, [RunStatus::Completed, RunStatus::Error]);
    assert!(work.next().await.is_ok());
}

#[tokio::test]
async fn after_five_attempts_a_delivery_is_given_up_and_the_next_one_goes_on() {
    let model = ScriptedProvider::new(|request| if last(request) == "poison" { Err(busy()) } else { Ok(Said::text("fine")) });
    let house = House::open(Plan::with(Arc::new(model))).await;
    let (agent, channel) = dm(&house).await;
    let mut watch = house.watch(channel).await;
    house.post(channel, person(1), "poison").await;
    house.post(channel, person(2), "tonic").await;
    for attempt in 1..MAX_ATTEMPTS {
        while house.runs(agent).await.len() < usize::try_from(attempt).unwrap() {
            tokio::task::yield_now().await;
        }
        house.advance(LONG).await;
    }
    let (completion, _) = watch.end().await;
    assert_eq!((completion.state, completion.error.as_deref()), (DeliveryState::Failed, Some("scripted is busy (503)")));
    assert_eq!(house.delivery(&completion).await.tries(), MAX_ATTEMPTS);
    assert_eq!(watch.reply().await.content, "fine");
}

#[tokio::test]
async fn a_delivery_whose_last_attempt_came_to_no_end_is_given_up_for_that_reason() {
    let mut house = House::open(Plan::with(Arc::new(echo()))).await;
    let (_, channel) = dm(&house).await;
    let mut watch = house.watch(channel).await;
    house.stop_runtime(Duration::ZERO).await;
    house.post(channel, person(1), "ping").await;
    let deliveries = house.store.deliveries();
    for _ in 0..MAX_ATTEMPTS {
        let now = house.clock.now();
        let shares = Shares { per_agent: 1, per_tenant: 1, per_agent_of_tenants: 1 };
        let request = ClaimRequest { limit: 1, shares, held: Vec::new(), now, lease_until: now.plus_millis(LONG) };
        assert_eq!(deliveries.claim(request).await.unwrap().len(), 1);
        assert_eq!(deliveries.recover(now).await.unwrap(), 1, "as after a kill");
        house.clock.advance(RESPITE_MILLIS);
    }
    house.start_runtime().await;
    house.advance(RESPITE_MILLIS).await;
    let (completion, reply) = watch.end().await;
    let reason = "given up after 5 attempts, the last of which came to no end";
    assert_eq!((completion.state, completion.error.as_deref(), reply), (DeliveryState::Failed, Some(reason), None));
}

struct Bomb;

#[async_trait::async_trait]
impl Action for Bomb {
    fn spec(&self) -> ToolSpec {
        ToolSpec { name: "BOMB".into(), description: "Explodes.".into(), parameters: json!({"type": "object"}) }
    }

    async fn run(&self, _context: ActionContext<'_>, _arguments: Value) -> Result<ActionOutcome, ActionError> {
        panic!("boom")
    }
}

#[tokio::test]
async fn a_panic_in_an_action_costs_that_run_alone() {
    let model =
        ScriptedProvider::new(|request| Ok(if last(request) == "explode" { Said::call("BOMB", json!({})) } else { Said::text("fine") }));
    let plan = Plan { actions: ActionRegistry::default().with(Arc::new(Bomb)), ..Plan::with(Arc::new(model)) };
    let house = House::open(plan).await;
    let (agent, channel) = dm(&house).await;
    let elsewhere = house.channel("DM", &[person(3), agent.into()], json!({})).await;
    house.post(channel, person(1), "explode").await;
    let mut watch = house.watch(elsewhere).await;
    house.post(elsewhere, person(3), "hello").await;
    assert_eq!(watch.reply().await.content, "fine");
    while house.runs(agent).await.len() < 2 {
        tokio::task::yield_now().await;
    }
    let errors: Vec<_> = house.runs(agent).await.iter().filter_map(|run| run.metadata.get("error").cloned()).collect();
    assert_eq!(errors, [json!("the run broke off because of a defect")]);
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_ended() {
    let limits = Limits { run_timeout: Duration::from_millis(50), ..Limits::default() };
    let plan = Plan { limits, ..Plan::with(Arc::new(echo().behind(Gate::closed()))) };
    let house = House::open(plan).await;
    let (agent, channel) = dm(&house).await;
    house.post(channel, person(1), "ping").await;
    while house.runs(agent).await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.runs(agent).await[0].status, RunStatus::Timeout);
}

#[tokio::test]
async fn a_stopped_runtime_gives_back_what_is_under_way_and_the_next_one_answers_it_once() {
    let gate = Gate::closed();
    let model = Arc::new(echo().behind(gate.clone()));
    let mut house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    let (_, channel) = dm(&house).await;
    house.post(channel, person(1), "ping").await;
    model.requests_seen(1).await;
    house.stop_runtime(Duration::ZERO).await;
    let mut watch = house.watch(channel).await;
    gate.open();
    house.start_runtime().await;
    let (completion, reply) = watch.end().await;
    assert_eq!(reply.unwrap().content, "re: ping");
    assert_eq!(house.delivery(&completion).await.tries(), 1, "an attempt that the server broke off does not count");
    assert_eq!(watch.chunks, "", "pieces are shown on the first attempt only");
    assert_eq!(house.texts(channel).await, ["ping", "re: ping"]);
}

#[tokio::test]
async fn a_stopped_agent_keeps_its_deliveries_for_its_next_start() {
    let gate = Gate::closed();
    let model = Arc::new(echo().behind(gate.clone()));
    let house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    let (agent, channel) = dm(&house).await;
    let mut watch = house.watch(channel).await;
    house.post(channel, person(1), "ping").await;
    model.requests_seen(1).await;
    house.agents.stop(&Caller::owner(), agent).await.unwrap();
    gate.open();
    let while_stopped = house.post(channel, person(2), "anybody?").await;
    assert_eq!(while_stopped.warnings.len(), 1, "who posts to a stopped agent is told");
    house.agents.start(&Caller::owner(), agent).await.unwrap();
    assert_eq!(watch.reply().await.content, "re: ping");
}

#[tokio::test]
async fn a_restarted_agent_begins_anew_what_it_answers_and_who_waits_for_it_is_answered() {
    let gate = Gate::closed();
    let model = Arc::new(echo().behind(gate.clone()));
    let house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    let (agent, channel) = dm(&house).await;
    let mut watch = house.watch(channel).await;
    let (_, mut waiting) =
        house.messaging.exchange(&Caller::owner(), House::message(channel, person(1), "ping"), ReplyForm::Whole).await.unwrap();
    model.requests_seen(1).await;
    house.agents.restart(&Caller::owner(), agent).await.unwrap();
    model.requests_seen(2).await;
    gate.open();
    let end = waiting.next().await;
    assert!(matches!(&end, Some(ReplyEvent::Replied(reply)) if reply.content == "re: ping"), "{end:?}");
    let (completion, _) = watch.end().await;
    assert_eq!(house.delivery(&completion).await.tries(), 1, "an attempt that the restart broke off does not count");
    assert_eq!((house.texts(channel).await, model.requests().len()), (vec!["ping".to_owned(), "re: ping".to_owned()], 2));
}

#[tokio::test]
async fn one_agent_works_on_many_channels_at_once_up_to_its_bound_and_in_order_within_each() {
    let gate = Gate::closed();
    let model = Arc::new(echo().behind(gate.clone()));
    let limits = Limits { runs: 4, runs_per_agent: 3, ..Limits::default() };
    let house = House::open(Plan { limits, ..Plan::with(Arc::<ScriptedProvider>::clone(&model)) }).await;
    let agent = house.agent_named("Eliza").await;
    let mut watches = Vec::new();
    for _ in 0..6 {
        let channel = house.channel("DM", &[person(1), person(2), agent.into()], json!({})).await;
        watches.push(house.watch(channel).await);
        house.post(channel, person(1), "a").await;
        house.post(channel, person(2), "b").await;
    }
    model.requests_seen(3).await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(model.requests().len(), 3, "no more than the agent's bound at once");
    gate.open();
    for watch in &mut watches {
        assert_eq!(watch.reply().await.content, "re: a");
        assert_eq!(watch.reply().await.content, "re: b");
    }
}

#[tokio::test]
async fn nothing_of_a_reply_comes_before_its_message_is_told() {
    let model = Arc::new(echo());
    let house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    let (agent, channel) = dm(&house).await;
    let mut watch = house.watch(channel).await;
    // What the making of the agent woke is over.
    house.post(channel, person(1), "first").await;
    assert_eq!(watch.reply().await.content, "re: first");
    let (id, author) = ("00000000-0000-4000-8000-000000000007".parse::<MessageId>().unwrap(), person(1));
    let draft = MessageDraft {
        id,
        channel_id: channel,
        author_id: author,
        author_name: None,
        content: "a".to_owned(),
        raw: None,
        source_type: None,
        source_id: None,
        metadata: Json::default(),
        in_reply_to: None,
    };
    let post = PostMessage {
        id_is_chosen: false,
        draft,
        create_channel: None,
        wake: Wake::Listeners,
        author_may_be_agent: false,
        idempotency: Vec::new(),
        beside: None,
        once_per_source: false,
        reach: None,
        full: Vec::new(),
        now: house.clock.now(),
    };
    let PostOutcome::Posted(posted) = house.store.messages().post(post).await.unwrap() else { panic!("not posted") };
    assert!(house.store.deliveries().open().await.unwrap().contains(&(DeliveryState::Claimed, 1)));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(model.requests().len(), 1, "it is claimed, and waits");
    let woken = [(agent, false)].into();
    let told = BusEvent::DeliveriesReady { channel, author, message: id, seq: posted.message.seq, woken };
    house.bus.publish(Topic::Work, told).await;
    assert_eq!(watch.reply().await.content, "re: a");
}

#[tokio::test]
async fn agents_answer_agents_only_where_the_channel_allows_it_and_never_for_ever() {
    let house = House::open(Plan::with(Arc::new(echo()))).await;
    let (one, other) = (house.agent_named("One").await, house.agent_named("Other").await);
    let quiet = house.channel("DM", &[person(1), one.into(), other.into()], json!({})).await;
    let chatty = house.channel("DM", &[person(1), one.into(), other.into()], json!({"allowAgentToAgent": true})).await;
    for (channel, turns) in [(quiet, 2), (chatty, 8)] {
        let mut watch = house.watch(channel).await;
        house.post(channel, person(1), "hello").await;
        for _ in 0..turns {
            watch.end().await;
        }
        let messages = house.texts(channel).await.len();
        assert!(messages > turns.min(2) && messages <= 1 + 2 + 8, "{messages} messages");
    }
    // Whatever was still under way has ended when both inboxes are empty.
    while house.store.deliveries().next_due(Busy::default()).await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.texts(quiet).await.len(), 3);
    assert!(house.texts(chatty).await.len() <= 1 + 8 + 1, "{:?}", house.texts(chatty).await);
}

#[tokio::test]
async fn an_answer_that_is_owed_is_not_superseded_by_a_message_that_asks_for_none() {
    let gate = Gate::closed();
    let model = Arc::new(echo().behind(gate.clone()));
    let house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    let (_, channel) = dm(&house).await;
    let mut watch = house.watch(channel).await;
    let owed = House::message(channel, person(1), "first");
    let (_, _waiting) = house.messaging.exchange(&Caller::owner(), owed, ReplyForm::Pieces).await.unwrap();
    model.requests_seen(1).await;
    house.post(channel, person(1), "second").await;
    gate.open();
    assert_eq!(watch.reply().await.content, "re: first");
    assert_eq!(watch.reply().await.content, "re: second");
}

#[tokio::test]
async fn who_waits_for_an_agent_that_is_stopped_is_told() {
    let gate = Gate::closed();
    let model = Arc::new(echo().behind(gate.clone()));
    let house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    let (agent, channel) = dm(&house).await;
    let (_, mut waiting) =
        house.messaging.exchange(&Caller::owner(), House::message(channel, person(1), "ping"), ReplyForm::Whole).await.unwrap();
    model.requests_seen(1).await;
    house.agents.stop(&Caller::owner(), agent).await.unwrap();
    let end = waiting.next().await;
    assert!(matches!(&end, Some(ReplyEvent::Failed(reason)) if reason.contains("stopped")), "{end:?}");
}

//! The inbox: order, bounds, retries, superseding, stopping and starting again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use core_types::actions::{Action, ActionContext, ActionError, ActionOutcome};
use core_types::agents::AgentService;
use core_types::bus::{BusEvent, Topic};
use core_types::deliveries::{
    Busy, ClaimRequest, Claimed, Delivery, DeliveryRepository, DeliveryState, DeliveryWorker, Fence, Finish, Finished, MAX_ATTEMPTS,
    OpenDeliveries, RESPITE_MILLIS, Requeue, Shares,
};
use core_types::memory::{MESSAGES, MemoryFilter};
use core_types::messaging::{MessageDraft, MessagingService, PostMessage, PostOutcome, ReplyEvent, ReplyForm, Wake};
use core_types::models::{ModelError, ModelProvider, TextRequest, ToolSpec};
use core_types::runs::RunStatus;
use core_types::{AgentId, Caller, Clock, DeliveryId, Json, MessageId, Page, StoreError, StoreResult, Timestamp};
use doolittle_runtime::{ActionRegistry, Limits};
use serde_json::{Value, json};
use testkit::gate::Gate;
use testkit::house::{House, Plan, person};
use testkit::scripted_provider::{Said, ScriptedProvider};
use tokio::sync::Semaphore;

/// Longer than any pause before a retry.
const LONG: i64 = 10 * 60 * 1000;

/// So much the clock is ahead, in milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;

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
async fn what_waits_while_the_clock_is_set_back_is_answered_in_order() {
    let gate = Gate::closed();
    let model = Arc::new(echo().behind(gate.clone()));
    let house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    let agent = house.agent_named("Eliza").await;
    let channel = house.channel("DM", &[person(1), person(2), person(3), agent.into()], json!({})).await;
    let mut watch = house.watch(channel).await;
    house.clock.advance(DAY);
    house.post(channel, person(1), "one").await;
    house.post(channel, person(2), "two").await;
    model.requests_seen(1).await;
    house.clock.advance(-DAY);
    house.post(channel, person(3), "three").await;
    gate.open();
    for text in ["one", "two", "three"] {
        assert_eq!(watch.reply().await.content, format!("re: {text}"));
    }
    let requests = model.requests();
    assert_eq!(requests.len(), 3, "each is answered once");
    let turns: Vec<_> = requests[2].turns.iter().map(|turn| turn.text.as_str()).collect();
    assert_eq!(turns, ["one", "re: one", "two", "re: two", "three"], "and remembered in order");
}

#[tokio::test]
async fn a_retry_that_a_clock_put_off_is_made_soon_after_it_is_set_back_and_at_a_start() {
    for starts_again in [false, true] {
        let calls = AtomicUsize::new(0);
        let model = ScriptedProvider::new(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Err(busy()),
            _ => Ok(Said::text("at last")),
        });
        let mut house = House::open(Plan::with(Arc::new(model))).await;
        let (agent, channel) = dm(&house).await;
        let mut watch = house.watch(channel).await;
        house.clock.advance(DAY);
        house.post(channel, person(1), "ping").await;
        // The first attempt has failed once its run is recorded.
        while house.runs(agent).await.is_empty() {
            tokio::task::yield_now().await;
        }
        house.clock.advance(-DAY);
        if starts_again {
            house.stop_runtime(Duration::ZERO).await;
            house.start_runtime().await;
        } else {
            // As long as it takes until leases are renewed.
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(11)).await;
            tokio::time::resume();
        }
        let (completion, reply) = watch.end().await;
        assert_eq!((completion.state, reply.unwrap().content.as_str()), (DeliveryState::Replied, "at last"));
        assert_eq!(house.delivery(&completion).await.attempt, 2);
    }
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

/// The deliveries of a store, each claim of which is answered when it may be.
struct Watched {
    store: Arc<dyn DeliveryRepository>,
    /// How often it was asked when the next is due.
    looks: Arc<AtomicUsize>,
    /// How often claims were asked for.
    claims: Arc<AtomicUsize>,
    /// One for each claim of something that may be answered.
    answers: Arc<Semaphore>,
    /// How often what was under way cannot be taken up yet.
    refusals: Arc<AtomicUsize>,
    /// Whether the store hands over what falls due.
    hands_over: bool,
}

#[async_trait::async_trait]
impl DeliveryRepository for Watched {
    fn claim_for(&self, worker: Weak<dyn DeliveryWorker>) -> bool {
        self.hands_over && self.store.claim_for(worker)
    }

    async fn claim(&self, request: ClaimRequest) -> StoreResult<Vec<Claimed>> {
        self.claims.fetch_add(1, Ordering::SeqCst);
        let claimed = self.store.claim(request).await?;
        if !claimed.is_empty()
            && let Ok(permit) = self.answers.acquire().await
        {
            permit.forget();
        }
        Ok(claimed)
    }

    async fn renew(&self, held: Vec<Fence>, lease_until: Timestamp) -> StoreResult<Vec<Fence>> {
        self.store.renew(held, lease_until).await
    }

    async fn finish(&self, finish: Finish) -> StoreResult<Option<Finished>> {
        self.store.finish(finish).await
    }

    async fn requeue(&self, requeue: Requeue) -> StoreResult<bool> {
        self.store.requeue(requeue).await
    }

    async fn backlog(&self) -> StoreResult<Vec<OpenDeliveries>> {
        self.store.backlog().await
    }

    async fn recover(&self, now: Timestamp) -> StoreResult<u64> {
        if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(StoreError::ReadOnly("the disk is full".into()));
        }
        self.store.recover(now).await
    }

    async fn hasten(&self, now: Timestamp) -> StoreResult<u64> {
        self.store.hasten(now).await
    }

    async fn next_due(&self, busy: Busy) -> StoreResult<Option<Timestamp>> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.store.next_due(busy).await
    }

    async fn find(&self, id: DeliveryId) -> StoreResult<Option<Delivery>> {
        self.store.find(id).await
    }

    async fn open(&self) -> StoreResult<Vec<(DeliveryState, u64)>> {
        self.store.open().await
    }
}

/// What is seen of a house's deliveries.
#[derive(Clone)]
struct Seen {
    looks: Arc<AtomicUsize>,
    claims: Arc<AtomicUsize>,
    /// What lets claims be answered.
    answers: Arc<Semaphore>,
    /// How often what was under way cannot be taken up yet.
    refusals: Arc<AtomicUsize>,
}

impl Seen {
    /// How often it was looked, and claimed.
    fn counts(&self) -> (usize, usize) {
        (self.looks.load(Ordering::SeqCst), self.claims.load(Ordering::SeqCst))
    }
}

/// A house whose deliveries are watched.
async fn watched(model: Arc<dyn ModelProvider>, limits: Limits, hands_over: bool, answered: usize) -> (House, Seen) {
    let answers = Arc::new(Semaphore::new(answered));
    let seen = Seen { looks: Arc::default(), claims: Arc::default(), answers, refusals: Arc::default() };
    let Seen { looks, claims, answers, refusals } = seen.clone();
    let deliveries = move |store| -> Arc<dyn DeliveryRepository> {
        let (looks, claims, answers) = (Arc::clone(&looks), Arc::clone(&claims), Arc::clone(&answers));
        Arc::new(Watched { store, looks, claims, answers, refusals: Arc::clone(&refusals), hands_over })
    };
    (House::open(Plan { limits, deliveries: Box::new(deliveries), ..Plan::with(model) }).await, seen)
}

#[tokio::test]
async fn who_is_answered_costs_no_look_at_what_is_due_and_no_claim_where_the_store_hands_over() {
    for hands_over in [false, true] {
        let (house, seen) = watched(Arc::new(echo()), Limits::default(), hands_over, Semaphore::MAX_PERMITS).await;
        let (_, channel) = dm(&house).await;
        let mut watch = house.watch(channel).await;
        let mut before = (0, 0);
        for (number, said) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
            if number == 2 {
                // What the making of the agent woke is over.
                before = seen.counts();
            }
            house.post(channel, person(1), said).await;
            assert_eq!(watch.reply().await.content, format!("re: {said}"));
        }
        let after = seen.counts();
        assert_eq!(after.0, before.0);
        assert_eq!(after.1 == before.1, hands_over, "{before:?}, {after:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_taken_up_at_the_start_is_taken_up_later_and_nothing_is_claimed_before() {
    for hands_over in [false, true] {
        let model = Arc::new(echo());
        let provider = Arc::<ScriptedProvider>::clone(&model);
        let (mut house, seen) = watched(provider, Limits::default(), hands_over, Semaphore::MAX_PERMITS).await;
        let (_, channel) = dm(&house).await;
        let mut watch = house.watch(channel).await;
        house.stop_runtime(Duration::ZERO).await;
        // At the start, and once more a second later.
        seen.refusals.store(2, Ordering::SeqCst);
        house.start_runtime().await;
        let claims = seen.counts().1;
        house.post(channel, person(1), "hello").await;
        assert_eq!((model.requests().len(), seen.counts().1), (0, claims), "what is made meanwhile waits too");
        assert_eq!(watch.reply().await.content, "re: hello");
        assert_eq!(seen.refusals.load(Ordering::SeqCst), 0);
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
async fn what_could_not_be_handed_over_is_looked_for_when_a_run_ends() {
    let default = Limits::default();
    for limits in [Limits { runs: 1, ..default }, Limits { runs_per_agent: 1, ..default }] {
        let gate = Gate::closed();
        let model = Arc::new(echo().behind(gate.clone()));
        let (house, seen) = watched(Arc::<ScriptedProvider>::clone(&model), limits, true, Semaphore::MAX_PERMITS).await;
        let agent = house.agent_named("Eliza").await;
        let mut watches = Vec::new();
        for _ in 0..3 {
            let channel = house.channel("DM", &[person(1), agent.into()], json!({})).await;
            watches.push(house.watch(channel).await);
            house.post(channel, person(1), "a").await;
        }
        model.requests_seen(1).await;
        let before = seen.counts();
        gate.open();
        for mut watch in watches {
            assert_eq!(watch.reply().await.content, "re: a");
        }
        let after = seen.counts();
        assert!(after.0 > before.0 && after.1 > before.1, "not only when it looks again anyway: {limits:?}");
    }
}

#[tokio::test]
async fn what_a_claim_passed_over_is_looked_for_though_its_agent_has_room_again() {
    let gate = Gate::closed();
    let model = Arc::new(echo().behind(gate.clone()));
    let limits = Limits { runs_per_agent: 2, ..Limits::default() };
    let (house, seen) = watched(Arc::<ScriptedProvider>::clone(&model), limits, false, 0).await;
    let agent = house.agent_named("Eliza").await;
    let (mut channels, mut watches) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        channels.push(house.channel("DM", &[person(1), agent.into()], json!({})).await);
        watches.push(house.watch(channels[channels.len() - 1]).await);
    }
    let claimed = async |count: u64| {
        while !house.store.deliveries().open().await.unwrap().contains(&(DeliveryState::Claimed, count)) {
            tokio::task::yield_now().await;
        }
    };
    house.post(channels[0], person(1), "a").await;
    claimed(1).await;
    // Two behind it wake the inbox once.
    house.post(channels[1], person(1), "a").await;
    house.post(channels[2], person(1), "a").await;
    seen.answers.add_permits(1);
    model.requests_seen(1).await;
    // The second is claimed, the third passed over; and before the inbox hears of that, the first ends.
    claimed(2).await;
    let before = seen.counts();
    gate.open();
    assert_eq!(watches[0].reply().await.content, "re: a");
    seen.answers.add_permits(2);
    assert_eq!(watches[1].reply().await.content, "re: a");
    assert_eq!(watches[2].reply().await.content, "re: a");
    assert!(seen.counts().0 > before.0, "not only when it looks again anyway");
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

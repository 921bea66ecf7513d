//! When the inbox looks for what is due, and when it claims.

use std::sync::Weak;

use core_types::deliveries::{Claimed, Delivery, DeliveryRepository, DeliveryWorker, Fence, Finish, Finished, OpenDeliveries, Requeue};
use core_types::{DeliveryId, StoreError, StoreResult, Timestamp};
use tokio::sync::Semaphore;

use super::*;

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

//! Promises about runs and logs.

use core_types::deliveries::{DeliveryState, Requeue, Trace};
use core_types::runs::{LogEntry, LogFilter, Run, RunFilter, RunStatus};
use core_types::{AgentId, Page, RoomId};
use uuid::Uuid;

use super::Stores;
use super::scene::{ALL, Sure, agent_id, at, fence, finish_as, log, message_id, only, person, run};

/// Leaves these traces, each by an attempt that is given back.
async fn leave(stores: &Stores, traces: Vec<(Run, Vec<LogEntry>)>) {
    for (run, logs) in traces {
        let claimed = only(stores.claim(1, at(0)).await);
        let back = Requeue { fence: fence(&claimed), not_before: at(0), counts: false, trace: Some(Trace { run, logs }) };
        assert!(stores.deliveries.requeue(back).await.sure());
    }
}

async fn numbers(stores: &Stores, agent: AgentId, filter: LogFilter) -> Vec<u64> {
    let logs = stores.runs.logs(agent, filter).await.sure();
    logs.iter().map(|entry| entry.body.get("number").and_then(serde_json::Value::as_u64).sure()).collect()
}

/// Of the same age, the later stored is newer.
pub async fn runs_are_listed_newest_first(stores: Stores) {
    let (agent, _, claimed) = stores.claimed_message().await;
    stores.deliveries.recover(at(0)).await.sure();
    let runs: Vec<_> = [(1, 20), (2, 10), (3, 20)].map(|(number, age)| run(number, &claimed, at(age))).into();
    leave(&stores, runs.iter().map(|run| (run.clone(), Vec::new())).collect()).await;
    let list = stores.runs.list(agent, RunFilter::default(), ALL).await.sure();
    let expected: Vec<_> = [2, 0, 1].map(|index| runs.get::<usize>(index).cloned().sure()).into();
    assert_eq!((list.items, list.total), (expected, 3));
    let part = stores.runs.list(agent, RunFilter::default(), Page { offset: 1, limit: 1 }).await.sure();
    assert_eq!((part.items.first(), part.total), (runs.first(), 3));
    assert_eq!(stores.runs.list(agent_id(9), RunFilter::default(), ALL).await.sure().items, []);
}

/// By room, end and beginning; one is found by its id, and only for its agent.
pub async fn runs_are_filtered_and_found(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    stores.deliveries.recover(at(0)).await.sure();
    let elsewhere = RoomId::new(Uuid::from_u128(1));
    let runs = [
        run(1, &claimed, at(10)),
        Run { status: RunStatus::Error, ..run(2, &claimed, at(20)) },
        Run { room_id: elsewhere, ..run(3, &claimed, at(30)) },
    ];
    leave(&stores, runs.iter().map(|run| (run.clone(), Vec::new())).collect()).await;
    let all = RunFilter::default();
    for (filter, expected) in [
        (RunFilter { room: Some(agent.room_of(channel)), ..all }, &[1, 0][..]),
        (RunFilter { status: Some(RunStatus::Error), ..all }, &[1]),
        (RunFilter { status: Some(RunStatus::Started), ..all }, &[]),
        (RunFilter { from: Some(at(20)), ..all }, &[2, 1]),
        (RunFilter { from: Some(at(10)), to: Some(at(20)), ..all }, &[1, 0]),
    ] {
        let found = stores.runs.list(agent, filter, ALL).await.sure();
        let expected: Vec<_> = expected.iter().map(|index: &usize| runs.get(*index).cloned().sure()).collect();
        assert_eq!((found.total, found.items), (expected.len() as u64, expected), "{filter:?}");
    }
    let [first, ..] = runs;
    assert_eq!(stores.runs.find(agent, first.id).await.sure(), Some(first.clone()));
    assert_eq!(stores.runs.find(agent_id(9), first.id).await.sure(), None);
}

/// A line outside of a run is kept like any other; one is removed by its agent only, and again is no error.
pub async fn log_lines_are_added_and_removed_one_by_one(stores: Stores) {
    let (agent, _, claimed) = stores.claimed_message().await;
    let line = log(1, &claimed, "useModel:TEXT_SMALL", at(1));
    stores.runs.add_log(line.clone()).await.sure();
    stores.runs.add_log(LogEntry { agent_id: agent_id(9), ..log(2, &claimed, "x", at(1)) }).await.sure();
    let all = || LogFilter { limit: 10, ..LogFilter::default() };
    assert_eq!(stores.runs.logs(agent, all()).await.sure(), std::slice::from_ref(&line));
    stores.runs.remove_log(agent_id(9), line.id).await.sure();
    assert_eq!(stores.runs.logs(agent, all()).await.sure().len(), 1);
    for _ in 0..2 {
        stores.runs.remove_log(agent, line.id).await.sure();
        assert_eq!(stores.runs.logs(agent, all()).await.sure(), []);
    }
}

/// By room, entity, kind and time; newest first; level, exclusion and what lines contain are not the store's.
pub async fn logs_are_filtered_and_paged(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    stores.deliveries.recover(at(0)).await.sure();
    let elsewhere = RoomId::new(Uuid::from_u128(1));
    let logs = vec![
        log(1, &claimed, "run_event", at(10)),
        LogEntry { entity_id: person(9), ..log(2, &claimed, "action", at(10)) },
        log(3, &claimed, "run_event", at(30)),
        LogEntry { room_id: elsewhere, ..log(4, &claimed, "run_event", at(20)) },
    ];
    leave(&stores, vec![(run(1, &claimed, at(1)), logs.clone())]).await;
    let all = LogFilter { limit: 10, ..LogFilter::default() };
    assert_eq!(numbers(&stores, agent, all.clone()).await, [3, 4, 2, 1]);
    assert_eq!(stores.runs.logs(agent, LogFilter { limit: 1, ..all.clone() }).await.sure().first(), logs.get(2));
    assert_eq!(numbers(&stores, agent, LogFilter { offset: 1, limit: 2, ..all.clone() }).await, [4, 2]);
    assert_eq!(numbers(&stores, agent, LogFilter { room: Some(elsewhere), ..all.clone() }).await, [4]);
    assert_eq!(numbers(&stores, agent, LogFilter { entity: Some(person(9)), ..all.clone() }).await, [2]);
    let kind = LogFilter { kind: Some("run_event".to_owned()), room: Some(agent.room_of(channel)), ..all.clone() };
    assert_eq!(numbers(&stores, agent, kind).await, [3, 1]);
    let between = LogFilter { since: Some(at(10)), until: Some(at(20)), ..all.clone() };
    assert_eq!(numbers(&stores, agent, between).await, [4, 2, 1]);
    let important = LogFilter { level: Some(core_types::runs::LogLevel::Error), exclude: vec!["action".to_owned()], ..all.clone() };
    let important = LogFilter { contains: Some("nothing has this".to_owned()), ..important };
    assert_eq!(numbers(&stores, agent, important).await.len(), 4);
    assert_eq!(numbers(&stores, super::scene::agent_id(9), all).await, [0_u64; 0]);
}

/// Newest first whosever they are, by the same conditions.
pub async fn logs_of_all_agents_are_read_together(stores: Stores) {
    let (agent, _, claimed) = stores.claimed_message().await;
    let other = stores.running_agent(2).await;
    for line in [
        log(1, &claimed, "action", at(10)),
        LogEntry { agent_id: other, ..log(2, &claimed, "action", at(20)) },
        log(3, &claimed, "run_event", at(30)),
        LogEntry { agent_id: other, entity_id: person(9), ..log(4, &claimed, "action", at(40)) },
    ] {
        stores.runs.add_log(line).await.sure();
    }
    let all = LogFilter { limit: 10, ..LogFilter::default() };
    let together = async |filter: LogFilter| {
        let lines = stores.runs.all_logs(filter).await.sure();
        lines.into_iter().map(|line| (line.agent_id, line.created_at)).collect::<Vec<_>>()
    };
    assert_eq!(together(all.clone()).await, [(other, at(40)), (agent, at(30)), (other, at(20)), (agent, at(10))]);
    let actions = LogFilter { kind: Some("action".to_owned()), ..all.clone() };
    assert_eq!(together(LogFilter { offset: 1, limit: 1, ..actions.clone() }).await, [(other, at(20))]);
    assert_eq!(together(LogFilter { until: Some(at(20)), ..actions }).await, [(other, at(20)), (agent, at(10))]);
    assert_eq!(together(LogFilter { entity: Some(person(9)), ..all.clone() }).await, [(other, at(40))]);
    assert_eq!(numbers(&stores, other, all).await, [4, 2]);
}

/// The oldest go first, and what is young stays.
pub async fn pruning_runs_and_logs_is_bounded(stores: Stores) {
    let (agent, _, claimed) = stores.claimed_message().await;
    stores.deliveries.recover(at(0)).await.sure();
    let traces = [(1, 10), (2, 20), (3, 30)]
        .map(|(number, age)| (run(number, &claimed, at(age - 5)), vec![log(number, &claimed, "run_event", at(age))]));
    leave(&stores, traces.into()).await;
    assert_eq!(stores.runs.logs_beyond(1).await.sure(), Some(at(20)));
    assert_eq!(stores.runs.logs_beyond(3).await.sure(), None);
    let mut pruned = Vec::new();
    for _ in 0..4 {
        pruned.push(stores.runs.prune(at(25), 3).await.sure());
    }
    assert_eq!(pruned, [3, 1, 0, 0]);
    assert_eq!(only(stores.runs_of(agent).await).started_at, at(25));
    assert_eq!(numbers(&stores, agent, LogFilter { limit: 10, ..LogFilter::default() }).await, [3]);
}

/// Those that are open stay, however old they are, and so does what ended late.
pub async fn pruning_forgets_deliveries_by_their_end(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let mut ended = Vec::new();
    for number in 1..=5 {
        let channel = stores.open_channel(number, &[agent.into()]).await;
        stores.say(number, channel, person(1)).await;
        let claimed = only(stores.claim(1, at(0)).await);
        if number <= 4 {
            let now = at(i64::try_from(number).sure() * 10);
            stores.deliveries.finish(finish_as(&claimed, DeliveryState::Ignored, now)).await.sure().sure();
        }
        ended.push(claimed.delivery.id);
    }
    let mut pruned = Vec::new();
    for _ in 0..3 {
        pruned.push(stores.runs.prune(at(40), 2).await.sure());
    }
    assert_eq!(pruned, [2, 1, 0]);
    let mut left = Vec::new();
    for id in ended {
        left.push(stores.deliveries.find(id).await.sure().map(|delivery| delivery.state));
    }
    assert_eq!(left, [None, None, None, Some(DeliveryState::Ignored), Some(DeliveryState::Claimed)]);
    assert!(stores.messages.find(message_id(1)).await.sure().is_some(), "messages stay");
}

//! Evidence is got once for the key, and for callers only so many at a time.

#![expect(clippy::unwrap_used, reason = "what a test prepares may fail only loudly")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use auth::SigningKey;
use core_types::runs::{LogEntry, RunRepository};
use core_types::tee::format::report_data;
use core_types::tee::{AttestError, Attestor, Evidence, EvidenceKind, LogQuery, ReportData, Signer, TeeService};
use core_types::{Caller, Clock, LogId, RoomId, ServiceError, Timestamp};
use doolittle_domain::{Agents, Enclave, Tee};
use serde_json::json;
use testkit::gate::Gate;
use testkit::house::{House, Plan, person};
use testkit::scripted_provider::ScriptedProvider;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Waits at a gate before it answers.
struct Slow {
    gate: Gate,
    asked: AtomicUsize,
}

#[async_trait]
impl Attestor for Slow {
    fn provider(&self) -> &'static str {
        "slow"
    }

    fn describe(&self) -> String {
        "slow".to_owned()
    }

    fn is_simulated(&self) -> bool {
        true
    }

    async fn attest(&self, report_data: ReportData) -> Result<Evidence, AttestError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.gate.pass().await;
        let quote = report_data.to_vec();
        Ok(Evidence { kind: EvidenceKind::Simulated, report_data, quote, event_log: None, vm_config: None, auxiliary: None })
    }
}

/// Attests what a house has; the rest of the house must live as long.
async fn attested(agents: Agents, runs: Arc<dyn RunRepository>, clock: Arc<dyn Clock>, attestor: Arc<Slow>) -> Arc<Tee> {
    let enclave = Enclave::enter(attestor, Arc::new(SigningKey::from_seed(&[1; 32]).unwrap())).await.unwrap();
    let (access, reads) = (agents.access.clone(), agents.reads.clone());
    Arc::new(Tee { agents: Arc::new(agents), access, runs, clock, enclave: Some(enclave), reads })
}

async fn house() -> House {
    House::open(Plan::with(Arc::new(ScriptedProvider::saying("pong")))).await
}

#[tokio::test]
async fn callers_beyond_a_few_are_told_to_wait_and_answers_need_no_fresh_evidence() {
    let gate = Gate::closed();
    gate.let_through(1);
    let attestor = Arc::new(Slow { gate: gate.clone(), asked: AtomicUsize::new(0) });
    let house = house().await;
    let tee = attested(house.agents, house.store.runs(), house.clock, Arc::clone(&attestor)).await;
    let ask = || {
        let tee = Arc::clone(&tee);
        tokio::spawn(async move { tee.attest(&Caller::owner(), None).await })
    };
    let waiting: Vec<_> = (0..4).map(|_| ask()).collect();
    while attestor.asked.load(Ordering::SeqCst) < 5 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(ask().await.unwrap(), Err(ServiceError::Overloaded { .. })));
    tee.status(&Caller::owner(), None).await.unwrap();
    assert_eq!(attestor.asked.load(Ordering::SeqCst), 5);
    gate.open();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    let key = SigningKey::from_seed(&[1; 32]).unwrap().public_key();
    let answer = tee.attest(&Caller::owner(), None).await.unwrap();
    let evidence = &answer.as_object()["attestation"]["evidence"];
    assert_eq!(evidence["reportData"].as_str().unwrap().len(), report_data(&key, None).len() * 2);
}

#[tokio::test]
async fn a_search_of_logs_says_how_far_it_looked() {
    let house = house().await;
    let agent = house.agent_named("Eliza").await;
    let lines = 10_050_i64;
    // Some at once, so that they share a commit.
    for first in (1..=lines).step_by(64) {
        let mut writing = JoinSet::new();
        for number in first..(first + 64).min(lines + 1) {
            let runs = house.store.runs();
            let entry = LogEntry {
                id: LogId::new(Uuid::from_u128(u128::try_from(number).unwrap())),
                agent_id: agent,
                entity_id: person(1),
                room_id: RoomId::new(Uuid::nil()),
                kind: "action".to_owned(),
                body: json!({"said": if number == 1 { "needle" } else { "hay" }}),
                created_at: Timestamp::from_millis(number),
            };
            writing.spawn(async move { runs.add_log(entry).await.unwrap() });
        }
        writing.join_all().await;
    }
    let gate = Gate::closed();
    gate.open();
    let attestor = Arc::new(Slow { gate, asked: AtomicUsize::new(0) });
    let tee = attested(house.agents, house.store.runs(), house.clock, attestor).await;
    let all = LogQuery {
        agent: None,
        room: None,
        entity: None,
        kind: None,
        contains: Some("needle".to_owned()),
        since: None,
        until: None,
        page: 1,
        page_size: 10,
    };
    let answer = tee.logs(&Caller::owner(), all.clone(), None).await.unwrap();
    let logs = answer.as_object()["logs"].clone();
    assert_eq!((&logs["data"], &logs["searchedTo"]), (&json!([]), &json!(Timestamp::from_millis(lines - 9_999).iso())));
    let on = LogQuery { until: Some(Timestamp::from_millis(lines - 9_999)), ..all };
    let answer = tee.logs(&Caller::owner(), on, None).await.unwrap();
    assert_eq!(answer.as_object()["logs"]["data"].as_array().unwrap().len(), 1);
}

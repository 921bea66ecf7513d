//! Jobs over a whole house, whose clock is moved by hand.

#![expect(clippy::expect_used, reason = "in a test, what must work and does not is a failure")]

use std::sync::Arc;
use std::time::Duration;

use core_types::agents::AgentService as _;
use core_types::jobs::{Job, JobService as _, JobStatus, NewJob};
use core_types::messaging::Channel;
use core_types::models::ModelError;
use core_types::{AgentId, Caller, JobId, JsonObject, MessageServerId, Page, ServiceError, Thing};
use testkit::house::{House, PATIENCE, Plan, person};
use testkit::scripted_provider::ScriptedProvider;

async fn house() -> House {
    House::open(Plan::with(Arc::new(ScriptedProvider::saying("pong")))).await
}

fn asks(agent: Option<AgentId>) -> NewJob {
    NewJob {
        agent,
        user: person(1),
        content: "ping".to_owned(),
        metadata: JsonObject::new(),
        timeout: Duration::from_secs(30),
        idempotency_key: None,
    }
}

/// The channel of a job.
async fn channel_of(house: &House, id: JobId) -> Channel {
    let (channels, name) = (house.store.channels(), format!("job-{id}"));
    channels.find_named(None, MessageServerId::DEFAULT, "DM", &name).await.expect("a store").expect("a channel")
}

/// The job, once its delivery has ended.
async fn ended(house: &House, id: JobId) -> Job {
    house.watch(channel_of(house, id).await.id).await.end().await;
    house.jobs.get(&Caller::owner(), id).await.expect("a job")
}

#[tokio::test]
async fn a_job_is_answered_by_its_agent_in_a_channel_of_its_own() {
    let house = house().await;
    let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
    let (ticket, repeated) = house.jobs.create(&owner, asks(Some(agent))).await.expect("a job");
    assert_eq!((repeated, ticket.expires_at), (false, ticket.created_at.plus_millis(30_000)));
    let job = ended(&house, ticket.id).await;
    let answer = job.answer.expect("an answer");
    assert_eq!((job.status, answer.message.content.as_str(), answer.message.author_id), (JobStatus::Completed, "pong", agent.into()));
    assert!(answer.took > 0);
    let channel = channel_of(&house, ticket.id).await.id;
    assert_eq!(answer.message.channel_id, channel);
    assert_eq!(house.texts(channel).await, ["ping", "pong"]);
    let participants = house.store.channels().participants(channel).await.expect("participants");
    assert_eq!(participants, [person(1), agent.into()]);
}

#[tokio::test]
async fn without_a_name_the_agent_answers_that_has_been_there_longest() {
    let house = house().await;
    let owner = Caller::owner();
    assert!(matches!(house.jobs.create(&owner, asks(None)).await, Err(ServiceError::NotFound(Thing::Agent))));
    let (first, second) = (house.agent_named("First").await, house.agent_named("Second").await);
    for (agent, stops) in [(first, true), (second, true)] {
        let (ticket, _) = house.jobs.create(&owner, asks(None)).await.expect("a job");
        assert_eq!(house.jobs.get(&owner, ticket.id).await.expect("a job").agent_id, agent);
        if stops {
            house.agents.stop(&owner, agent).await.expect("it ran");
        }
    }
    for agent in [Some(first), Some(AgentId::of_name("nobody")), None] {
        assert!(matches!(house.jobs.create(&owner, asks(agent)).await, Err(ServiceError::NotFound(Thing::Agent))), "{agent:?}");
    }
    assert_eq!(house.jobs.list(&owner, None, Page::first(10)).await.expect("a list").total, 2);
}

#[tokio::test]
async fn a_job_whose_agent_stops_times_out_by_the_clock_and_is_known_for_a_day() {
    let mut house = house().await;
    let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
    house.stop_runtime(PATIENCE).await;
    let (ticket, _) = house.jobs.create(&owner, asks(Some(agent))).await.expect("a job");
    assert_eq!(house.jobs.get(&owner, ticket.id).await.expect("a job").status, JobStatus::Processing);
    house.clock.advance(30_000);
    assert_eq!(house.jobs.get(&owner, ticket.id).await.expect("a job").status, JobStatus::Timeout);
    house.start_runtime().await;
    let late = ended(&house, ticket.id).await;
    assert_eq!((late.status, late.answer), (JobStatus::Timeout, None));
    assert_eq!(house.texts(channel_of(&house, ticket.id).await.id).await, ["ping", "pong"], "a late answer is in the channel");
    assert_eq!(house.jobs.sweep(10).await.expect("swept"), 0);
    house.clock.advance(24 * 60 * 60 * 1_000);
    assert_eq!(house.jobs.sweep(10).await.expect("swept"), 1);
    assert!(matches!(house.jobs.get(&owner, ticket.id).await, Err(ServiceError::NotFound(Thing::Job))));
}

#[tokio::test]
async fn the_same_key_makes_one_job() {
    let house = house().await;
    let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
    let keyed = |agent, content: &str| NewJob { content: content.to_owned(), idempotency_key: Some("k".to_owned()), ..asks(agent) };
    let (first, _) = house.jobs.create(&owner, keyed(Some(agent), "ping")).await.expect("a job");
    let (again, repeated) = house.jobs.create(&owner, keyed(Some(agent), "ping")).await.expect("a job");
    assert_eq!((again, repeated), (first, true));
    for other in
        [keyed(Some(agent), "other"), keyed(None, "ping"), NewJob { timeout: Duration::from_secs(5), ..keyed(Some(agent), "ping") }]
    {
        assert!(matches!(house.jobs.create(&owner, other).await, Err(ServiceError::Conflict { .. })));
    }
    assert_eq!(house.jobs.list(&owner, None, Page::first(10)).await.expect("a list").total, 1);
}

#[tokio::test]
async fn what_a_model_does_not_answer_fails_with_its_reason() {
    let refusal = || ModelError::Unauthorized { provider: "scripted".to_owned(), setting: "SCRIPTED_KEY".to_owned() };
    let house = House::open(Plan::with(Arc::new(ScriptedProvider::new(move |_| Err(refusal()))))).await;
    let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
    let (ticket, _) = house.jobs.create(&owner, asks(Some(agent))).await.expect("a job");
    let job = ended(&house, ticket.id).await;
    assert_eq!((job.status, job.answer.is_none()), (JobStatus::Failed, true));
    assert!(job.error.is_some_and(|error| error.contains("SCRIPTED_KEY")));
    let figures = house.jobs.figures(&owner).await.expect("figures");
    assert_eq!((figures.of(JobStatus::Failed), figures.total()), (1, 1));
}

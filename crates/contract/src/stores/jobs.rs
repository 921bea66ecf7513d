//! Promises about jobs.

use core_types::access::Wanted;
use core_types::deliveries::{Claimed, DeliveryState};
use core_types::jobs::{Job, JobDraft, JobStatus, JobTicket};
use core_types::messaging::{Beside, MessageServer, PostMessage, PostOutcome, Posted, Wake};
use core_types::{AgentId, JobId, Page, Reach, Timestamp};
use serde_json::json;
use uuid::Uuid;

use super::Stores;
use super::scene::{
    ALL, Sure, at, channel, channel_id, draft, finish_as, finish_with_reply, message_id, only, person, post_of, reach, server, tenant,
    written,
};

/// How long the answers of these jobs are waited for.
const TIMEOUT: i64 = 1_000;

pub(super) const fn job_id(number: u128) -> JobId {
    JobId::new(Uuid::from_u128(0x10b_0000 + number))
}

/// A job of this number, with a channel of its own.
pub(super) fn asked(number: u128, agent: AgentId, most: u32, now: Timestamp) -> PostMessage {
    let mut message = draft(number, channel_id(number), person(1), &format!("question {number}"));
    message.metadata = json!({"number": u64::try_from(number).sure()}).into();
    let mut made_for_it = channel(number);
    "DM".clone_into(&mut made_for_it.kind);
    PostMessage {
        create_channel: Some((made_for_it, vec![person(1), agent.into()])),
        wake: Wake::OneAnswers(Some(agent)),
        beside: Some(Beside::Job(JobDraft { id: job_id(number), timeout_millis: TIMEOUT, most })),
        ..post_of(message, now)
    }
}

impl Stores {
    async fn ask(&self, number: u128, agent: AgentId, now: Timestamp) -> Posted {
        written(self.messages.post(asked(number, agent, 1_000, now)).await.sure())
    }

    /// A job and the claim of its delivery.
    async fn claimed_job(&self, number: u128, agent: AgentId) -> Claimed {
        self.ask(number, agent, at(0)).await;
        only(self.claim(1, at(1)).await)
    }

    async fn job(&self, number: u128, now: Timestamp) -> Option<Job> {
        self.jobs.find(job_id(number), now).await.sure()
    }

    async fn status(&self, number: u128, now: Timestamp) -> JobStatus {
        self.job(number, now).await.sure().status
    }
}

/// In the reply's own transaction, since it is the reply that completes it.
pub async fn a_job_is_completed_by_the_reply(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let posted = stores.ask(1, agent, at(0)).await;
    let open = stores.job(1, at(5)).await.sure();
    assert_eq!(open.ticket, JobTicket { id: job_id(1), created_at: at(0), expires_at: at(TIMEOUT) });
    assert_eq!(stores.jobs.ticket(posted.message.id).await.sure(), Some(open.ticket));
    assert_eq!((open.agent_id, open.user_id, open.prompt.as_str()), (agent, person(1), "question 1"));
    assert_eq!((open.metadata, open.status, open.answer, open.error), (json!({"number": 1}).into(), JobStatus::Processing, None, None));
    let claimed = only(stores.claim(1, at(10)).await);
    assert_eq!(stores.status(1, at(11)).await, JobStatus::Processing);
    stores.deliveries.finish(finish_with_reply(&claimed, "answer", at(40))).await.sure().sure();
    let done = stores.job(1, at(5_000)).await.sure();
    assert_eq!((done.status, done.error), (JobStatus::Completed, None));
    let answer = done.answer.sure();
    assert_eq!((answer.message.id, answer.message.content.as_str(), answer.took), (claimed.delivery.reply_id, "answer", 40));
    assert_eq!(stores.job(2, at(0)).await, None);
    assert_eq!(stores.jobs.ticket(message_id(9)).await.sure(), None);
}

/// By how its delivery ended.
pub async fn a_job_without_an_answer_says_why(stores: Stores) {
    let agent = stores.running_agent(1).await;
    for (number, state, reason, told) in [
        (1, DeliveryState::Failed, Some("the model is gone"), "the model is gone"),
        (2, DeliveryState::Failed, None, "The agent could not answer"),
        (3, DeliveryState::Ignored, None, "The agent chose not to answer"),
        (4, DeliveryState::Superseded, None, "A newer message took its place"),
    ] {
        let claimed = stores.claimed_job(number, agent).await;
        let mut finish = finish_as(&claimed, state, at(40));
        finish.completion.error = reason.map(str::to_owned);
        stores.deliveries.finish(finish).await.sure().sure();
        let failed = stores.job(number, at(50)).await.sure();
        assert_eq!((failed.status, failed.answer, failed.error.as_deref()), (JobStatus::Failed, None, Some(told)));
    }
    let claimed = stores.claimed_job(5, agent).await;
    stores.deliveries.finish(finish_with_reply(&claimed, "answer", at(40))).await.sure().sure();
    stores.messages.remove(stores.place(claimed.delivery.reply_id).await, at(41)).await.sure();
    assert_eq!(stores.job(5, at(50)).await.sure().error.as_deref(), Some("The answer has been deleted"));
    stores.ask(6, agent, at(0)).await;
    stores.agents.remove(agent, at(60)).await.sure().sure();
    let cancelled = stores.job(6, at(70)).await.sure();
    assert_eq!((cancelled.status, cancelled.error.sure().contains("deleted")), (JobStatus::Failed, true));
}

/// Whoever saw the timeout sees it ever after, whatever the agent does then.
pub async fn an_answer_that_is_late_is_a_timeout_for_ever(stores: Stores) {
    let agent = stores.running_agent(1).await;
    for (number, state) in [(1, None), (2, Some(DeliveryState::Failed))] {
        let claimed = stores.claimed_job(number, agent).await;
        assert_eq!(stores.status(number, at(TIMEOUT - 1)).await, JobStatus::Processing);
        assert_eq!(stores.status(number, at(TIMEOUT)).await, JobStatus::Timeout);
        let late = match state {
            None => finish_with_reply(&claimed, "late", at(TIMEOUT)),
            Some(state) => finish_as(&claimed, state, at(TIMEOUT)),
        };
        stores.deliveries.finish(late).await.sure().sure();
        let job = stores.job(number, at(TIMEOUT)).await.sure();
        assert_eq!((job.status, job.answer), (JobStatus::Timeout, None));
        assert!(job.error.is_some());
    }
}

/// Deleting is forgetting.
pub async fn a_job_goes_with_its_message(stores: Stores) {
    let agent = stores.running_agent(1).await;
    for number in 1..=4 {
        stores.ask(number, agent, at(0)).await;
    }
    stores.messages.remove(stores.place(message_id(1)).await, at(1)).await.sure();
    stores.messages.clear(channel_id(2), at(1)).await.sure();
    stores.channels.remove(channel_id(3), at(1)).await.sure().sure();
    for number in 1..=3 {
        assert_eq!(stores.job(number, at(2)).await, None, "{number}");
    }
    assert_eq!(stores.status(4, at(2)).await, JobStatus::Processing);
}

/// Also those of one status; the numbers are of all.
pub async fn jobs_are_listed_newest_first_and_counted(stores: Stores) {
    let agent = stores.running_agent(1).await;
    assert_eq!(stores.jobs.figures(None, at(0)).await.sure().total(), 0);
    for (number, took) in [(1, Some(40)), (2, None), (3, Some(60))] {
        let claimed = stores.claimed_job(number, agent).await;
        let finish = match took {
            Some(took) => finish_with_reply(&claimed, "answer", at(took)),
            None => finish_as(&claimed, DeliveryState::Failed, at(10)),
        };
        stores.deliveries.finish(finish).await.sure().sure();
    }
    stores.ask(4, agent, at(0)).await;
    stores.ask(5, agent, at(500)).await;
    let now = at(TIMEOUT);
    for (status, page, numbers, filtered) in [
        (None, ALL, vec![5, 4, 3, 2, 1], 5),
        (None, Page { offset: 1, limit: 2 }, vec![4, 3], 5),
        (Some(JobStatus::Completed), ALL, vec![3, 1], 2),
        (Some(JobStatus::Completed), Page { offset: 1, limit: 9 }, vec![1], 2),
        (Some(JobStatus::Failed), ALL, vec![2], 1),
        (Some(JobStatus::Timeout), ALL, vec![4], 1),
        (Some(JobStatus::Processing), ALL, vec![5], 1),
        (Some(JobStatus::Pending), ALL, vec![], 0),
    ] {
        let list = stores.jobs.list(None, status, page, now).await.sure();
        let ids: Vec<JobId> = numbers.into_iter().map(job_id).collect();
        assert_eq!(list.jobs.iter().map(|job| job.ticket.id).collect::<Vec<_>>(), ids, "{status:?} {page:?}");
        assert_eq!((list.filtered, list.total), (filtered, 5), "{status:?}");
    }
    let figures = stores.jobs.figures(None, now).await.sure();
    let counts = JobStatus::ALL.map(|status| figures.of(status));
    assert_eq!((counts, figures.total(), figures.completed_millis), ([0, 1, 2, 1, 1], 5, 100));
}

/// As each of them is found: neither those of others nor those that went with the share of a message server.
pub async fn jobs_within_reach_are_listed_and_counted(stores: Stores) {
    let agent = stores.running_agent(1).await;
    stores.servers.add(server(1)).await.sure();
    stores.servers.add(MessageServer { owner: Some(tenant("a")), ..server(2) }).await.sure();
    for (number, place, owner) in [(1, server(1).id, "a"), (2, server(2).id, "a"), (3, server(1).id, "b")] {
        stores.servers.link(place, agent).await.sure();
        let mut post = asked(number, agent, 1_000, at(0));
        let (made_for_it, _) = post.create_channel.as_mut().sure();
        made_for_it.server_id = place;
        made_for_it.owner = Some(tenant(owner));
        written(stores.messages.post(post).await.sure());
    }
    stores.ask(4, agent, at(0)).await;
    let sharing = Reach { servers: vec![server(1).id], ..reach("a") };
    for (seeing, numbers) in [(sharing, vec![2, 1]), (reach("a"), vec![2]), (reach("c"), vec![])] {
        for number in 1..=4 {
            let within = stores.access.within(&seeing, Wanted::Job(job_id(number))).await.sure();
            assert_eq!(within, numbers.contains(&number), "job {number} for {seeing:?}");
        }
        let count = numbers.len() as u64;
        for (status, page) in [(None, ALL), (Some(JobStatus::Processing), ALL), (None, Page { offset: 0, limit: 1 })] {
            let list = stores.jobs.list(Some(&seeing), status, page, at(1)).await.sure();
            let shown: Vec<JobId> = numbers.iter().copied().map(job_id).take(page.limit as usize).collect();
            assert_eq!(list.jobs.iter().map(|job| job.ticket.id).collect::<Vec<_>>(), shown, "{seeing:?} {status:?} {page:?}");
            assert_eq!((list.filtered, list.total), (count, count), "{seeing:?} {status:?}");
        }
        let figures = stores.jobs.figures(Some(&seeing), at(1)).await.sure();
        assert_eq!((figures.of(JobStatus::Processing), figures.total()), (count, count), "{seeing:?}");
    }
    assert_eq!(stores.jobs.list(None, None, ALL, at(1)).await.sure().total, 4);
}

/// And a message with its job.
pub async fn a_job_is_written_with_its_message_or_not_at_all(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let posted = stores.ask(1, agent, at(0)).await;
    assert!(posted.created_channel);
    let answers = only(posted.deliveries);
    assert!(answers.must_answer && answers.agent_id == agent);
    stores.agents.stop(agent, at(1)).await.sure();
    assert_eq!(stores.messages.post(asked(2, agent, 1_000, at(2))).await.sure(), PostOutcome::NoAgent);
    assert_eq!((stores.job(2, at(2)).await, stores.channels.find(channel_id(2)).await.sure()), (None, None));
    let nobody_must = PostMessage { wake: Wake::Listeners, ..asked(3, agent, 1_000, at(2)) };
    assert!(stores.messages.post(nobody_must).await.is_err());
    assert_eq!(stores.messages.find(message_id(3)).await.sure(), None);
}

/// The oldest first, be they answered or late; where all go on, there is no room.
pub async fn jobs_that_are_over_make_room(stores: Stores) {
    let agent = stores.running_agent(1).await;
    for number in 1..=3 {
        stores.ask(number, agent, at(0)).await;
    }
    let ask = |number, now| stores.messages.post(asked(number, agent, 3, now));
    assert_eq!(ask(4, at(10)).await.sure(), PostOutcome::TooManyJobs);
    assert_eq!((stores.messages.find(message_id(4)).await.sure(), stores.channels.find(channel_id(4)).await.sure()), (None, None));
    let claimed = stores.claim(10, at(10)).await;
    let second = claimed.iter().find(|claimed| claimed.message.id == message_id(2)).sure();
    stores.deliveries.finish(finish_with_reply(second, "answer", at(20))).await.sure().sure();
    written(ask(4, at(30)).await.sure());
    assert_eq!(stores.job(2, at(30)).await, None, "the one that was over made room");
    assert_eq!(ask(5, at(30)).await.sure(), PostOutcome::TooManyJobs);
    written(ask(5, at(TIMEOUT)).await.sure());
    assert_eq!((stores.job(1, at(TIMEOUT)).await, stores.job(3, at(TIMEOUT)).await.is_some()), (None, true));
    assert_eq!(stores.jobs.figures(None, at(TIMEOUT)).await.sure().total(), 3);
    assert_eq!(stores.jobs.prune(at(TIMEOUT), 10).await.sure(), 0, "none was late before");
    assert_eq!(stores.jobs.prune(at(2 * TIMEOUT), 1).await.sure(), 1);
    assert_eq!(stores.jobs.prune(at(2 * TIMEOUT), 10).await.sure(), 1);
    assert!(stores.messages.find(message_id(3)).await.sure().is_some(), "the messages stay");
    assert_eq!(stores.jobs.figures(None, at(2 * TIMEOUT)).await.sure().total(), 1);
}

/// One tenant's jobs push out its own and nobody else's, and where all of its part are waited for, it alone is refused.
pub async fn a_tenants_jobs_make_room_for_its_own(stores: Stores) {
    let agent = stores.running_agent(1).await;
    stores.servers.add(server(1)).await.sure();
    stores.servers.link(server(1).id, agent).await.sure();
    // Of eight jobs a tenant has two.
    let of = |name: &str, number: u128, now: Timestamp| {
        let mut post = asked(number, agent, 8, now);
        let (made_for_it, _) = post.create_channel.as_mut().sure();
        made_for_it.server_id = server(1).id;
        made_for_it.owner = Some(tenant(name));
        post.reach = Some(Reach { servers: vec![server(1).id], ..reach(name) });
        stores.messages.post(post)
    };
    written(of("b", 1, at(0)).await.sure());
    stores.ask(2, agent, at(0)).await;
    for number in [3, 4] {
        written(of("a", number, at(0)).await.sure());
    }
    assert_eq!(of("a", 5, at(10)).await.sure(), PostOutcome::TooManyJobs);
    assert_eq!((stores.messages.find(message_id(5)).await.sure(), stores.channels.find(channel_id(5)).await.sure()), (None, None));
    written(of("b", 6, at(10)).await.sure());
    for claimed in stores.claim(10, at(20)).await {
        stores.deliveries.finish(finish_with_reply(&claimed, "answer", at(30))).await.sure().sure();
    }
    for number in 7..=20 {
        written(of("a", number, at(40)).await.sure());
        let claimed = only(stores.claim(10, at(41)).await);
        stores.deliveries.finish(finish_with_reply(&claimed, "answer", at(42))).await.sure().sure();
    }
    for (number, is_there) in [(1, true), (2, true), (3, false), (4, false), (6, true), (18, false), (19, true), (20, true)] {
        assert_eq!(stores.job(number, at(50)).await.is_some(), is_there, "{number}");
    }
    assert_eq!(stores.jobs.figures(None, at(50)).await.sure().total(), 5);
}

/// How a job stands is seen by its delivery.
pub async fn a_delivery_stays_as_long_as_its_job(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let claimed = stores.claimed_job(1, agent).await;
    stores.deliveries.finish(finish_as(&claimed, DeliveryState::Failed, at(40))).await.sure().sure();
    assert_eq!(stores.runs.prune(at(10_000), 10).await.sure(), 0);
    assert_eq!(stores.status(1, at(10_000)).await, JobStatus::Failed);
    stores.jobs.prune(at(10_000), 10).await.sure();
    assert_eq!(stores.runs.prune(at(10_000), 10).await.sure(), 1);
    assert_eq!(stores.deliveries.find(claimed.delivery.id).await.sure(), None);
}

//! Sessions and jobs that are only noted.

use core_types::jobs::{Job, JobAnswer, JobFigures, JobList, JobService, JobStatus, JobTicket, NewJob};
use core_types::messaging::{MessageWindow, PostReceipt, ReplyForm, ReplyStream};
use core_types::sessions::{
    NewSession, Renewal, Session, SessionCount, SessionMessage, SessionMessages, SessionService, SessionTimeout, TimeoutChange,
};
use core_types::{Caller, JobId, Listed, Page, ServiceResult, SessionId, Timestamp};
use serde_json::json;

use super::{AGENT, CHANNEL, Call, Fakes, NOW, USER, message, object};

pub const SESSION: &str = "c22d888d-7f60-435c-851b-8797540eed43";
pub const JOB: &str = "36fda612-446c-4745-8055-abc0184ff25f";

/// A session that was renewed twice and has ten minutes left.
pub fn session() -> Session {
    Session {
        id: SESSION.parse().unwrap(),
        channel_id: CHANNEL.parse().unwrap(),
        agent_id: AGENT.parse().unwrap(),
        user_id: USER.parse().unwrap(),
        metadata: object(json!({"platform": "web"})),
        timeout: SessionTimeout { timeout_minutes: 30, auto_renew: true, max_duration_minutes: 720, warning_threshold_minutes: 5 },
        renewals: 2,
        created_at: Timestamp::from_millis(NOW - 60 * 60_000),
        last_activity: Timestamp::from_millis(NOW - 20 * 60_000),
        expires_at: Timestamp::from_millis(NOW + 10 * 60_000),
    }
}

pub fn job(status: JobStatus) -> Job {
    let answer = JobAnswer { message: message(), took: 40 };
    Job {
        ticket: ticket(),
        agent_id: AGENT.parse().unwrap(),
        user_id: USER.parse().unwrap(),
        prompt: "ping".to_owned(),
        metadata: json!({"k": "v"}).into(),
        status,
        answer: (status == JobStatus::Completed).then_some(answer),
        error: (status == JobStatus::Failed).then(|| "gave up".to_owned()),
    }
}

fn ticket() -> JobTicket {
    JobTicket { id: JOB.parse().unwrap(), created_at: Timestamp::from_millis(NOW), expires_at: Timestamp::from_millis(NOW + 30_000) }
}

const COUNT: SessionCount = SessionCount { active: 3, near_end: 1, over: 2 };

impl Fakes {
    fn in_session(&self, id: SessionId, message: SessionMessage) -> ServiceResult<(PostReceipt, Renewal)> {
        let new = core_types::messaging::NewMessage {
            door: core_types::messaging::Door::Session(id),
            id: None,
            channel_id: CHANNEL.parse().unwrap(),
            server_id: core_types::MessageServerId::DEFAULT,
            author_id: USER.parse().unwrap(),
            author_name: None,
            content: message.content.clone(),
            raw: None,
            source_type: None,
            source_id: None,
            metadata: message.metadata.clone(),
            in_reply_to: None,
            idempotency_key: None,
        };
        self.note(Call::InSession(id, message))?;
        Ok((self.receipt(new), Renewal { session: session(), renewed: true }))
    }
}

#[async_trait::async_trait]
impl SessionService for Fakes {
    async fn open(&self, _: &Caller, new: NewSession) -> ServiceResult<Session> {
        self.note(Call::OpenSession(new))?;
        Ok(session())
    }

    async fn get(&self, _: &Caller, _: SessionId) -> ServiceResult<Session> {
        self.note(Call::Other("session"))?;
        Ok(session())
    }

    async fn list(&self, _: &Caller, page: Page) -> ServiceResult<(Listed<Session>, SessionCount)> {
        self.note(Call::Page(page))?;
        Ok((self.listed(session()), COUNT))
    }

    async fn count(&self, _: &Caller) -> ServiceResult<SessionCount> {
        self.note(Call::Other("sessions"))?;
        Ok(COUNT)
    }

    async fn post(&self, _: &Caller, id: SessionId, message: SessionMessage) -> ServiceResult<(PostReceipt, Renewal)> {
        self.in_session(id, message)
    }

    async fn exchange(
        &self,
        _: &Caller,
        id: SessionId,
        message: SessionMessage,
        form: ReplyForm,
    ) -> ServiceResult<(PostReceipt, Renewal, Box<dyn ReplyStream>)> {
        let (receipt, renewal) = self.in_session(id, message)?;
        Ok((receipt, renewal, self.told(form)))
    }

    async fn messages(&self, _: &Caller, _: SessionId, window: MessageWindow) -> ServiceResult<SessionMessages> {
        self.note(Call::Window(window))?;
        Ok(SessionMessages { messages: vec![message()], has_more: true })
    }

    async fn renew(&self, _: &Caller, _: SessionId) -> ServiceResult<Session> {
        self.note(Call::Other("renew"))?;
        Ok(session())
    }

    async fn touch(&self, _: &Caller, _: SessionId) -> ServiceResult<Session> {
        self.note(Call::Other("touch"))?;
        Ok(session())
    }

    async fn limit(&self, _: &Caller, _: SessionId, change: TimeoutChange) -> ServiceResult<Session> {
        self.note(Call::Limit(change))?;
        Ok(session())
    }

    async fn close(&self, _: &Caller, _: SessionId) -> ServiceResult<()> {
        self.note(Call::Other("close"))
    }
}

#[async_trait::async_trait]
impl JobService for Fakes {
    async fn create(&self, _: &Caller, new: NewJob) -> ServiceResult<(JobTicket, bool)> {
        self.note(Call::CreateJob(new))?;
        Ok((ticket(), *self.repeated.lock().unwrap()))
    }

    async fn get(&self, _: &Caller, _: JobId) -> ServiceResult<Job> {
        self.note(Call::Other("job"))?;
        Ok(job(JobStatus::Completed))
    }

    async fn list(&self, _: &Caller, status: Option<JobStatus>, page: Page) -> ServiceResult<JobList> {
        self.note(Call::Jobs(status, page))?;
        Ok(JobList { jobs: vec![job(JobStatus::Failed)], filtered: 5, total: 9 })
    }

    async fn figures(&self, _: &Caller) -> ServiceResult<JobFigures> {
        self.note(Call::Other("jobs"))?;
        Ok(JobFigures { counts: vec![(JobStatus::Completed, 1), (JobStatus::Timeout, 1)], completed_millis: 40 })
    }
}

//! Jobs: `/api/messaging/jobs`, questions whose answer is fetched later. As with elizaOS, what they answer has no envelope.

use actix_web::http::StatusCode;
use actix_web::web::{get, post};

use crate::app::State;
use crate::envelope::{counted, respond};
use crate::errors::ApiResult;
use crate::extract::permission::{MessagesRead, MessagesWrite};
use crate::extract::{Authorized, JobPath, JsonBody, Query, Sender};
use crate::messages::repeated;
use crate::routing::Routes;
use crate::wire::jobs::{JobBody, JobStatusName, JobWire, JobsHealth, JobsWire, TicketWire, job_filter, new_job};

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/messaging/jobs", [get().to(list), post().to(create)]);
    routes.at("/messaging/jobs/health", [get().to(health)]);
    routes.at("/messaging/jobs/{job_id}", [get().to(show)]);
}

/// Asks an agent something whose answer is fetched later.
///
/// Where no agent is named, the one answers that has been there longest of those that run.
#[utoipa::path(
    post,
    path = "/api/messaging/jobs",
    params(Sender),
    request_body = JobBody,
    responses(
        (status = 201, body = TicketWire),
        (status = 400, description = "VALIDATION_ERROR NO_AGENT"),
        (status = 404, description = "AGENT_NOT_FOUND JOB_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn create(caller: Authorized<MessagesWrite>, state: State, sender: Sender, body: JsonBody) -> ApiResult {
    let (ticket, is_repeated) = state.services.jobs.create(&caller, new_job(body.0, sender)?).await?;
    Ok(repeated(is_repeated, respond(StatusCode::CREATED, &TicketWire::from(ticket))))
}

/// Lists jobs, the newest first.
#[utoipa::path(
    get,
    path = "/api/messaging/jobs",
    params(
        ("status" = Option<JobStatusName>, Query, description = "Only jobs of this status"),
        ("limit" = Option<u32>, Query, description = "How many jobs; 50 where absent", maximum = 100),
        ("offset" = Option<u32>, Query, description = "How many jobs to leave out at the beginning"),
    ),
    responses(
        (status = 200, body = JobsWire, headers(("X-Total-Count" = u64, description = "How long the whole list is"))),
        (status = 400, description = "VALIDATION_ERROR"),
    ),
)]
async fn list(caller: Authorized<MessagesRead>, state: State, query: Query) -> ApiResult {
    let (status, page) = job_filter(&query)?;
    let jobs = state.services.jobs.list(&caller, status, page).await?;
    Ok(counted(jobs.filtered, respond(StatusCode::OK, &JobsWire::from(&jobs))))
}

/// Says how many jobs stand how, and how well they fare.
#[utoipa::path(get, path = "/api/messaging/jobs/health", responses((status = 200, body = JobsHealth)))]
async fn health(caller: Authorized<MessagesRead>, state: State) -> ApiResult {
    let figures = state.services.jobs.figures(&caller).await?;
    Ok(respond(StatusCode::OK, &JobsHealth::of(&figures, state.services.clock.now())))
}

/// Shows how a job stands, and its answer where it is there.
#[utoipa::path(
    get,
    path = "/api/messaging/jobs/{job_id}",
    params(JobPath),
    responses((status = 200, body = JobWire), (status = 404, description = "JOB_NOT_FOUND")),
)]
async fn show(caller: Authorized<MessagesRead>, state: State, id: JobPath) -> ApiResult {
    let job = state.services.jobs.get(&caller, id.0).await?;
    Ok(respond(StatusCode::OK, &JobWire::from(&job)))
}

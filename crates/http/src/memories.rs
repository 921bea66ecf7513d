//! What agents remember: `/api/memory/agents/{id}` as the reference page has it, and `/api/agents/{id}/memories` as released
//! servers do, which is `/api/memory/{id}/memories` too.

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::web::{delete, get, patch, post};
use core_types::memory::MemoryFilter;
use core_types::{Page, ServiceError, Thing};

use crate::app::State;
use crate::envelope::{Envelope, Warned, gone, ok, page, warned};
use crate::errors::{ApiError, ApiResult};
use crate::extract::permission::{MemoriesRead, MemoriesWrite};
use crate::extract::{AgentPath, Authorized, JsonBody, MemoryPath, Query, RoomPath};
use crate::limits;
use crate::openapi::params::MemoryConditions;
use crate::routing::Routes;
use crate::unread::only_reads;
use crate::wire::memories::{
    ChangeBody, Cleared, EmbeddingsWire, FoundWire, MemoryList, MemoryWire, PlainMemoryList, ReasonWire, SearchBody, Touched, change,
    either_room, filter, search as read_search, source, table,
};

const DELETED: &str = "Memory deleted successfully";
const UPDATED: &str = "Memory updated successfully";
const CLEARED: &str = "Memories deleted successfully";

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/memory/agents/{agent_id}/memories", [get().to(list), delete().to(revert)]);
    routes.at("/memory/agents/{agent_id}/search", [post().to(search).wrap(from_fn(only_reads))]);
    routes.at("/memory/agents/{agent_id}/embeddings", [get().to(embeddings)]);
    routes.at("/memory/agents/{agent_id}/memories/{memory_id}", [get().to(show), patch().to(update), delete().to(remove)]);
    routes.at("/memory/agents/{agent_id}/memories/{memory_id}/why", [get().to(why)]);
    routes.at("/agents/{agent_id}/memories", [get().to(list_plain), delete().to(clear)]);
    routes.at("/agents/{agent_id}/memories/{memory_id}", [patch().to(update_plain), delete().to(remove_plain)]);
    routes.at("/agents/{agent_id}/memories/all/{room_id}", [delete().to(clear_room)]);
    routes.at("/agents/{agent_id}/rooms/{room_id}/memories", [get().to(of_room)]);
}

/// Lists what an agent remembers.
#[utoipa::path(
    get,
    path = "/api/memory/agents/{agent_id}/memories",
    params(AgentPath, MemoryConditions),
    responses(
        (status = 200, body = Envelope<MemoryList>, headers(("X-Total-Count" = u64, description = "How long the whole list is; absent beyond 1,000"))),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 422, description = "UNPROCESSABLE_ENTITY"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn list(caller: Authorized<MemoriesRead>, state: State, agent: AgentPath, query: Query) -> ApiResult {
    let wanted = filter(&query, agent.0).map_err(ApiError::unprocessable)?;
    let part = part(&query, limits::PAGE).map_err(ApiError::unprocessable)?;
    let memories = state.services.memories.list(&caller, agent.0, wanted, part).await?;
    Ok(page(memories.total, MemoryList::of(&memories.items)))
}

/// Lists what an agent remembers, with times in epoch milliseconds.
#[utoipa::path(
    get,
    path = "/api/agents/{agent_id}/memories",
    params(AgentPath, MemoryConditions),
    responses(
        (status = 200, body = Envelope<PlainMemoryList>, headers(("X-Total-Count" = u64, description = "How long the whole list is; absent beyond 1,000"))),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn list_plain(caller: Authorized<MemoriesRead>, state: State, agent: AgentPath, query: Query) -> ApiResult {
    let part = part(&query, limits::MAX_PAGE)?;
    let memories = state.services.memories.list(&caller, agent.0, filter(&query, agent.0)?, part).await?;
    Ok(page(memories.total, PlainMemoryList::of(&memories.items)))
}

/// Lists what an agent remembers of a room, which is named by its own id or by its channel's.
#[utoipa::path(
    get,
    path = "/api/agents/{agent_id}/rooms/{room_id}/memories",
    params(
        AgentPath,
        RoomPath,
        ("tableName" = Option<String>, Query, description = "`messages` where absent", max_length = 256),
        ("limit" = Option<u32>, Query, description = "How many memories; 20 where absent", maximum = 1000),
        ("before" = Option<String>, Query, description = "None that is newer: epoch milliseconds or ISO 8601"),
    ),
    responses(
        (status = 200, body = Envelope<PlainMemoryList>, headers(("X-Total-Count" = u64, description = "How long the whole list is; absent beyond 1,000"))),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn of_room(caller: Authorized<MemoriesRead>, state: State, agent: AgentPath, room: RoomPath, query: Query) -> ApiResult {
    let wanted = MemoryFilter {
        tables: vec![table(&query)?],
        rooms: either_room(agent.0, room.0),
        to: query.moment("before")?,
        ..MemoryFilter::default()
    };
    let part = part(&query, limits::ROOM_MEMORIES)?;
    let memories = state.services.memories.list(&caller, agent.0, wanted, part).await?;
    Ok(page(memories.total, PlainMemoryList::of(&memories.items)))
}

/// Finds what bears on a text: by its words, and by its meaning where there is an embedding model.
#[utoipa::path(
    post,
    path = "/api/memory/agents/{agent_id}/search",
    params(AgentPath),
    request_body = SearchBody,
    responses(
        (status = 200, body = Warned<FoundWire>),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 422, description = "UNPROCESSABLE_ENTITY"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn search(caller: Authorized<MemoriesRead>, state: State, agent: AgentPath, body: JsonBody) -> ApiResult {
    let found = state.services.memories.search(&caller, agent.0, read_search(body.0, agent.0)?).await?;
    let warnings: Vec<String> = found.shortfalls.iter().map(ToString::to_string).collect();
    Ok(warned(StatusCode::OK, FoundWire::from(&found), &warnings))
}

/// Tells how far the making of vectors has come, by which memories are found by their meaning.
#[utoipa::path(
    get,
    path = "/api/memory/agents/{agent_id}/embeddings",
    params(AgentPath),
    responses((status = 200, body = Envelope<EmbeddingsWire>), (status = 404, description = "AGENT_NOT_FOUND")),
)]
async fn embeddings(caller: Authorized<MemoriesRead>, state: State, agent: AgentPath) -> ApiResult {
    let progress = state.services.memories.embeddings(&caller, agent.0).await?;
    Ok(ok(EmbeddingsWire::from(&progress)))
}

/// Shows a memory.
#[utoipa::path(
    get,
    path = "/api/memory/agents/{agent_id}/memories/{memory_id}",
    params(AgentPath, MemoryPath),
    responses((status = 200, body = Envelope<MemoryWire>), (status = 404, description = "AGENT_NOT_FOUND MEMORY_NOT_FOUND")),
)]
async fn show(caller: Authorized<MemoriesRead>, state: State, agent: AgentPath, id: MemoryPath) -> ApiResult {
    let memory = state.services.memories.get(&caller, agent.0, id.0).await?;
    Ok(ok(MemoryWire::from(&memory)))
}

/// Tells where a memory comes from.
#[utoipa::path(
    get,
    path = "/api/memory/agents/{agent_id}/memories/{memory_id}/why",
    params(AgentPath, MemoryPath),
    responses((status = 200, body = Envelope<ReasonWire>), (status = 404, description = "AGENT_NOT_FOUND MEMORY_NOT_FOUND")),
)]
async fn why(caller: Authorized<MemoriesRead>, state: State, agent: AgentPath, id: MemoryPath) -> ApiResult {
    let reason = state.services.memories.why(&caller, agent.0, id.0).await?;
    Ok(ok(ReasonWire::from(&reason)))
}

/// Changes a memory.
#[utoipa::path(
    patch,
    path = "/api/memory/agents/{agent_id}/memories/{memory_id}",
    params(AgentPath, MemoryPath),
    request_body = ChangeBody,
    responses((status = 200, body = Envelope<Touched>), (status = 404, description = "AGENT_NOT_FOUND MEMORY_NOT_FOUND")),
)]
async fn update(caller: Authorized<MemoriesWrite>, state: State, agent: AgentPath, id: MemoryPath, body: JsonBody) -> ApiResult {
    let memory = state.services.memories.update(&caller, agent.0, id.0, change(body.0)?).await?;
    Ok(ok(Touched { id: memory.id, message: UPDATED }))
}

/// Changes a memory; one that is not there is no mistake.
#[utoipa::path(
    patch,
    path = "/api/agents/{agent_id}/memories/{memory_id}",
    params(AgentPath, MemoryPath),
    request_body = ChangeBody,
    responses((status = 200, body = Envelope<Touched>), (status = 404, description = "AGENT_NOT_FOUND")),
)]
async fn update_plain(caller: Authorized<MemoriesWrite>, state: State, agent: AgentPath, id: MemoryPath, body: JsonBody) -> ApiResult {
    let updated = state.services.memories.update(&caller, agent.0, id.0, change(body.0)?).await;
    or_none(updated.map(|_| ()))?;
    Ok(ok(Touched { id: id.0, message: UPDATED }))
}

/// Deletes a memory, and with a document its fragments.
#[utoipa::path(
    delete,
    path = "/api/memory/agents/{agent_id}/memories/{memory_id}",
    params(AgentPath, MemoryPath),
    responses((status = 200, body = Envelope<Touched>), (status = 404, description = "AGENT_NOT_FOUND MEMORY_NOT_FOUND")),
)]
async fn remove(caller: Authorized<MemoriesWrite>, state: State, agent: AgentPath, id: MemoryPath) -> ApiResult {
    state.services.memories.remove(&caller, agent.0, id.0).await?;
    Ok(ok(Touched { id: id.0, message: DELETED }))
}

/// Deletes a memory; one that is not there is no mistake.
#[utoipa::path(
    delete,
    path = "/api/agents/{agent_id}/memories/{memory_id}",
    params(AgentPath, MemoryPath),
    responses((status = 200, body = Envelope<Touched>), (status = 404, description = "AGENT_NOT_FOUND")),
)]
async fn remove_plain(caller: Authorized<MemoriesWrite>, state: State, agent: AgentPath, id: MemoryPath) -> ApiResult {
    or_none(state.services.memories.remove(&caller, agent.0, id.0).await)?;
    Ok(ok(Touched { id: id.0, message: DELETED }))
}

/// Forgets everything of one origin: `source=message:<id>`, `source=author:<id>` or `source=run:<id>`.
#[utoipa::path(
    delete,
    path = "/api/memory/agents/{agent_id}/memories",
    params(AgentPath, ("source" = String, Query, description = "`message:<id>`, `author:<id>` or `run:<id>`")),
    responses(
        (status = 200, body = Envelope<Cleared>),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 422, description = "UNPROCESSABLE_ENTITY"),
    ),
)]
async fn revert(caller: Authorized<MemoriesWrite>, state: State, agent: AgentPath, query: Query) -> ApiResult {
    let missing = || ApiError::bad_request("source is required: message:<id>, author:<id> or run:<id>");
    let source = source(&query).and_then(|source| source.ok_or_else(missing)).map_err(ApiError::unprocessable)?;
    let deleted = state.services.memories.revert(&caller, agent.0, source).await?;
    Ok(ok(Cleared { deleted, message: CLEARED }))
}

/// Forgets an agent's conversations, facts and documents; with `source`, everything of one origin instead.
#[utoipa::path(
    delete,
    path = "/api/agents/{agent_id}/memories",
    params(AgentPath, ("source" = Option<String>, Query, description = "`message:<id>`, `author:<id>` or `run:<id>`")),
    responses((status = 200, body = Envelope<Cleared>), (status = 404, description = "AGENT_NOT_FOUND")),
)]
async fn clear(caller: Authorized<MemoriesWrite>, state: State, agent: AgentPath, query: Query) -> ApiResult {
    let memories = &state.services.memories;
    let deleted = match source(&query)? {
        Some(source) => memories.revert(&caller, agent.0, source).await?,
        None => memories.clear(&caller, agent.0, Vec::new()).await?,
    };
    Ok(ok(Cleared { deleted, message: CLEARED }))
}

/// Forgets the conversation, the facts and the documents of a room, which is named by its own id or by its channel's.
#[utoipa::path(
    delete,
    path = "/api/agents/{agent_id}/memories/all/{room_id}",
    params(AgentPath, RoomPath),
    responses((status = 204), (status = 404, description = "AGENT_NOT_FOUND")),
)]
async fn clear_room(caller: Authorized<MemoriesWrite>, state: State, agent: AgentPath, room: RoomPath) -> ApiResult {
    state.services.memories.clear(&caller, agent.0, either_room(agent.0, room.0)).await?;
    Ok(gone())
}

fn part(query: &Query, default: u32) -> ApiResult<Page> {
    Ok(Page { offset: query.count("offset")?.unwrap_or(0), limit: query.page(&["limit", "count"], default)? })
}

/// Released servers do not mind where a memory is not there.
fn or_none(outcome: Result<(), ServiceError>) -> ApiResult<()> {
    match outcome {
        Err(ServiceError::NotFound(Thing::Memory)) => Ok(()),
        outcome => Ok(outcome?),
    }
}

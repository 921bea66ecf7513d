//! Documents that agents know: `/api/memory/agents/{id}/documents`.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::{delete, get, post};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use core_types::json::sorted;
use core_types::knowledge::{NewDocument, SOURCE_LIMIT};
use core_types::{JsonObject, Page};
use futures_util::future::LocalBoxFuture;
use serde_json::json;

use crate::app::State;
use crate::envelope::{Envelope, gone, ok, page, success};
use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::permission::{MemoriesRead, MemoriesWrite};
use crate::extract::{AgentPath, Authorized, DocumentPath, JsonBody, Query};
use crate::limits;
use crate::once::Once;
use crate::routing::Routes;
use crate::uploads::{UploadForm, is_form};
use crate::wire::documents::{AddedWire, DocumentForm, DocumentList, NewDocumentBody, new_document, uploaded_document};
use crate::wire::memories::MemoryWire;

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/memory/agents/{agent_id}/documents", [get().to(list), post().to(add)]);
    routes.at("/memory/agents/{agent_id}/documents/{document_id}", [get().to(show), delete().to(remove)]);
}

/// Lists the documents of an agent.
#[utoipa::path(
    get,
    path = "/api/memory/agents/{agent_id}/documents",
    params(
        AgentPath,
        ("limit" = Option<u32>, Query, description = "How many documents; 20 where absent", maximum = 100),
        ("offset" = Option<u32>, Query, description = "How many documents to leave out at the beginning"),
    ),
    responses(
        (status = 200, body = Envelope<DocumentList>, headers(("X-Total-Count" = u64, description = "How long the whole list is; absent beyond 1,000"))),
        (status = 404, description = "AGENT_NOT_FOUND"),
    ),
)]
async fn list(caller: Authorized<MemoriesRead>, state: State, agent: AgentPath, query: Query) -> ApiResult {
    let limit = query.count("limit")?.unwrap_or(limits::DOCUMENTS).min(limits::MAX_DOCUMENTS);
    let part = Page { offset: query.count("offset")?.unwrap_or(0), limit };
    let documents = state.services.knowledge.list(&caller, agent.0, part).await?;
    Ok(page(documents.total, DocumentList::of(&documents.items)))
}

/// Gives an agent a document, which is split and recalled where it bears on a message. The same content again is found and
/// costs nothing.
#[utoipa::path(
    post,
    path = "/api/memory/agents/{agent_id}/documents",
    params(AgentPath, Once),
    request_body(content((NewDocumentBody = "application/json"), (DocumentForm = "multipart/form-data"))),
    responses(
        (status = 200, description = "The agent has it already.", body = Envelope<AddedWire>),
        (status = 201, body = Envelope<AddedWire>),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn add(caller: Authorized<MemoriesWrite>, state: State, agent: AgentPath, once: Once, body: DocumentBody) -> ApiResult {
    let (document, _place) = match body {
        DocumentBody::Json(body) => (new_document(body)?, None),
        DocumentBody::Form(form) => {
            // Each is in memory while it is read. Nobody takes all places.
            let turn = state.document_lines.turn(&caller).await?;
            let place = state.documents.try_acquire().map_err(|_| {
                let wait = Duration::from_secs(1);
                ApiError::new(Code::Overloaded, "Too many documents are being uploaded").retry_after(wait)
            })?;
            (uploaded_document(form.receive_document(SOURCE_LIMIT).await?)?, Some((turn, place)))
        }
    };
    // The document's id follows from its content, so that what is there already is found.
    let sent = once.wants(|| sent(&document));
    let make = async |_| {
        let added = state.services.knowledge.add(&caller, agent.0, document).await?;
        let status = if added.existing { StatusCode::OK } else { StatusCode::CREATED };
        Ok(success(status, AddedWire::from(&added)))
    };
    once.run(&caller, &state, &sent, make).await
}

/// Everything that was sent of a document.
fn sent(document: &NewDocument) -> Vec<u8> {
    let mut sent = sorted(&json!([document.title, document.format.name(), document.metadata])).to_string().into_bytes();
    sent.extend_from_slice(&document.source);
    sent
}

/// A document as JSON, or as a form with a file.
pub(crate) enum DocumentBody {
    Json(JsonObject),
    Form(UploadForm),
}

impl FromRequest for DocumentBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if is_form(request.content_type()) {
            let form = UploadForm::from_request(request, payload);
            return Box::pin(async move { form.await.map(Self::Form) });
        }
        let json = JsonBody::from_request(request, payload);
        Box::pin(async move { json.await.map(|body| Self::Json(body.0)) })
    }
}

/// Shows a document.
#[utoipa::path(
    get,
    path = "/api/memory/agents/{agent_id}/documents/{document_id}",
    params(AgentPath, DocumentPath),
    responses((status = 200, body = Envelope<MemoryWire>), (status = 404, description = "AGENT_NOT_FOUND DOCUMENT_NOT_FOUND")),
)]
async fn show(caller: Authorized<MemoriesRead>, state: State, agent: AgentPath, id: DocumentPath) -> ApiResult {
    let document = state.services.knowledge.get(&caller, agent.0, id.0).await?;
    Ok(ok(MemoryWire::from(&document)))
}

/// Takes a document away, and its fragments.
#[utoipa::path(
    delete,
    path = "/api/memory/agents/{agent_id}/documents/{document_id}",
    params(AgentPath, DocumentPath),
    responses((status = 204), (status = 404, description = "AGENT_NOT_FOUND DOCUMENT_NOT_FOUND")),
)]
async fn remove(caller: Authorized<MemoriesWrite>, state: State, agent: AgentPath, id: DocumentPath) -> ApiResult {
    state.services.knowledge.remove(&caller, agent.0, id.0).await?;
    Ok(gone())
}

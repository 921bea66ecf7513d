//! Files: uploads below `/api`, and the addresses at which files are served, which need no key.

use actix_web::HttpResponse;
use actix_web::web::{get, post};
use core_types::media::{KeptFile, MediaPlace};

use crate::app::State;
use crate::envelope::{Envelope, ok};
use crate::errors::ApiResult;
use crate::extract::permission::MessagesWrite;
use crate::extract::{AgentPath, Authorized, ChannelPath, MediaFilePath};
use crate::messages::repeated;
use crate::once::Once;
use crate::routing::Routes;
use crate::serving::{Wanted, serve};
use crate::uploads::UploadForm;
use crate::wire::media::{UploadBody, UploadToBody, Uploaded};

/// Routes under `/api`.
pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/media/upload", [post().to(upload)]);
    routes.at("/media/agents/{agent_id}/upload-media", [post().to(upload_for_agent)]);
    routes.at("/media/channels/{channel_id}/upload-media", [post().to(upload_to_channel)]);
    routes.at("/messaging/central-channels/{channel_id}/upload-media", [post().to(upload_to_messaging_channel)]);
}

/// Routes that need no key: a name that is served cannot be guessed, and a page that shows a picture sends no key.
pub(crate) fn public_routes(routes: &mut Routes) {
    routes.at("/media/uploads/agents/{agent_id}/{filename}", [get().to(of_agent)]);
    routes.at("/media/uploads/channels/{channel_id}/{filename}", [get().to(of_channel)]);
    routes.at("/media/generated/{agent_id}/{filename}", [get().to(generated)]);
}

/// Uploads a file for an agent or to a channel.
#[utoipa::path(
    post,
    path = "/api/media/upload",
    params(Once),
    request_body(content = UploadToBody, content_type = "multipart/form-data"),
    responses(
        (status = 200, body = Envelope<Uploaded>),
        (status = 404, description = "CHANNEL_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn upload(caller: Authorized<MessagesWrite>, state: State, form: UploadForm) -> ApiResult {
    let received = form.receive(state.services.media.as_ref(), &caller).await?;
    let place = received.place()?;
    Ok(shown(&received.upload.keep(place).await?))
}

/// Uploads a file for an agent, which need not exist yet.
#[utoipa::path(
    post,
    path = "/api/media/agents/{agent_id}/upload-media",
    params(AgentPath, Once),
    request_body(content = UploadBody, content_type = "multipart/form-data"),
    responses(
        (status = 200, body = Envelope<Uploaded>),
        (status = 409, description = "CONFLICT"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn upload_for_agent(caller: Authorized<MessagesWrite>, state: State, id: AgentPath, form: UploadForm) -> ApiResult {
    let received = form.receive(state.services.media.as_ref(), &caller).await?;
    Ok(shown(&received.upload.keep(MediaPlace::Agent(id.0)).await?))
}

/// Uploads a file to a channel.
#[utoipa::path(
    post,
    path = "/api/media/channels/{channel_id}/upload-media",
    params(ChannelPath, Once),
    request_body(content = UploadBody, content_type = "multipart/form-data"),
    responses(
        (status = 200, body = Envelope<Uploaded>),
        (status = 404, description = "CHANNEL_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn upload_to_channel(caller: Authorized<MessagesWrite>, state: State, id: ChannelPath, form: UploadForm) -> ApiResult {
    let received = form.receive(state.services.media.as_ref(), &caller).await?;
    Ok(shown(&received.upload.keep(MediaPlace::Channel(id.0)).await?))
}

/// Uploads a file to a channel, by the path among its messages.
#[utoipa::path(
    post,
    path = "/api/messaging/central-channels/{channel_id}/upload-media",
    params(ChannelPath, Once),
    request_body(content = UploadBody, content_type = "multipart/form-data"),
    responses(
        (status = 200, body = Envelope<Uploaded>),
        (status = 404, description = "CHANNEL_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn upload_to_messaging_channel(caller: Authorized<MessagesWrite>, state: State, id: ChannelPath, form: UploadForm) -> ApiResult {
    upload_to_channel(caller, state, id, form).await
}

fn shown(kept: &KeptFile) -> HttpResponse {
    repeated(kept.repeated, ok(Uploaded::from(&kept.file)))
}

/// Serves a file that was uploaded for an agent.
#[utoipa::path(
    get,
    path = "/media/uploads/agents/{agent_id}/{filename}",
    params(AgentPath, MediaFilePath, Wanted),
    responses(
        (status = 200, description = "The file.", body = Vec<u8>, content_type = "*/*"),
        (status = 206, description = "The part that `Range` asks for.", body = Vec<u8>, content_type = "*/*"),
        (status = 304, description = "The reader has the file already."),
        (status = 404, description = "FILE_NOT_FOUND"),
        (status = 416, description = "RANGE_NOT_SATISFIABLE"),
        (status = 503, description = "UNAVAILABLE"),
    ),
    security(()),
)]
async fn of_agent(state: State, id: AgentPath, name: MediaFilePath, wanted: Wanted) -> ApiResult {
    serve(&state, MediaPlace::Agent(id.0), name.0, &wanted).await
}

/// Serves a file that was uploaded to a channel.
#[utoipa::path(
    get,
    path = "/media/uploads/channels/{channel_id}/{filename}",
    params(ChannelPath, MediaFilePath, Wanted),
    responses(
        (status = 200, description = "The file.", body = Vec<u8>, content_type = "*/*"),
        (status = 206, description = "The part that `Range` asks for.", body = Vec<u8>, content_type = "*/*"),
        (status = 304, description = "The reader has the file already."),
        (status = 404, description = "FILE_NOT_FOUND"),
        (status = 416, description = "RANGE_NOT_SATISFIABLE"),
        (status = 503, description = "UNAVAILABLE"),
    ),
    security(()),
)]
async fn of_channel(state: State, id: ChannelPath, name: MediaFilePath, wanted: Wanted) -> ApiResult {
    serve(&state, MediaPlace::Channel(id.0), name.0, &wanted).await
}

/// Serves a file that an agent made.
#[utoipa::path(
    get,
    path = "/media/generated/{agent_id}/{filename}",
    params(AgentPath, MediaFilePath, Wanted),
    responses(
        (status = 200, description = "The file.", body = Vec<u8>, content_type = "*/*"),
        (status = 206, description = "The part that `Range` asks for.", body = Vec<u8>, content_type = "*/*"),
        (status = 304, description = "The reader has the file already."),
        (status = 404, description = "FILE_NOT_FOUND"),
        (status = 416, description = "RANGE_NOT_SATISFIABLE"),
        (status = 503, description = "UNAVAILABLE"),
    ),
    security(()),
)]
async fn generated(state: State, id: AgentPath, name: MediaFilePath, wanted: Wanted) -> ApiResult {
    serve(&state, MediaPlace::Generated(id.0), name.0, &wanted).await
}

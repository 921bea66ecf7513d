//! API keys: `/api/keys`. What elizaOS has no word for; all of it is the owner's.

use actix_web::http::StatusCode;
use actix_web::web::{delete, get};

use crate::app::State;
use crate::envelope::{Envelope, gone, ok, success};
use crate::errors::ApiResult;
use crate::extract::permission::SystemManage;
use crate::extract::{Authorized, JsonBody, KeyPath};
use crate::routing::Routes;
use crate::wire::keys::{KeysWire, MadeKey, NewKeyBody, new_key};

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/keys", [get().to(list), actix_web::web::post().to(create)]);
    routes.at("/keys/{key_id}", [delete().to(revoke)]);
}

/// Lists the keys, the oldest first. What must be shown is not among what is told.
#[utoipa::path(get, path = "/api/keys", responses((status = 200, body = Envelope<KeysWire>)))]
async fn list(caller: Authorized<SystemManage>, state: State) -> ApiResult {
    let keys = state.services.keys.list(&caller).await?;
    Ok(ok(KeysWire::of(&keys, state.services.clock.now())))
}

/// Makes a key. It counts at once, and is told this one time.
///
/// Whoever shows it sees the agents, message servers and channels that keys of the same tenant have made, with all that belongs
/// to them, and what is on the message servers that it shares; nothing else is there for it.
#[utoipa::path(
    post,
    path = "/api/keys",
    request_body = NewKeyBody,
    responses(
        (status = 201, body = Envelope<MadeKey>),
        (status = 404, description = "SERVER_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
    ),
)]
async fn create(caller: Authorized<SystemManage>, state: State, body: JsonBody) -> ApiResult {
    let (key, text) = state.services.keys.create(&caller, new_key(body.0)?).await?;
    Ok(success(StatusCode::CREATED, MadeKey::of(&key, &text)))
}

/// Revokes a key. From now on it counts nowhere; streams and sockets that were opened with it end within half a minute.
#[utoipa::path(
    delete,
    path = "/api/keys/{key_id}",
    params(KeyPath),
    responses((status = 204), (status = 404, description = "KEY_NOT_FOUND")),
)]
async fn revoke(caller: Authorized<SystemManage>, state: State, id: KeyPath) -> ApiResult {
    state.services.keys.revoke(&caller, id.0).await?;
    Ok(gone())
}

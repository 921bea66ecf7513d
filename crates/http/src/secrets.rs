//! The secrets of agents as a whole: `/api/secrets`. What elizaOS has no word for; all of it is the owner's.

use actix_web::web::post;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::State;
use crate::envelope::{Envelope, ok};
use crate::errors::ApiResult;
use crate::extract::Authorized;
use crate::extract::permission::SystemManage;
use crate::routing::Routes;

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/secrets/rotate", [post().to(rotate)]);
}

/// What became of a rotation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Rotation)]
pub(crate) struct RotationWire {
    /// Whether there is a new key; the server makes none where the key follows from `SECRET_SALT`.
    new_key: bool,
    /// How many secrets were encrypted anew.
    resealed: u64,
}

/// Makes a new key for the secrets of agents and encrypts them all with it, while agents go on using them.
///
/// Where the key follows from `SECRET_SALT`, what an earlier salt encrypted is encrypted with the present one. Cut short, it can be
/// repeated. Where a secret opens under no key, nothing is changed, and the 409 names it. Backups from before need the key from before.
#[utoipa::path(
    post,
    path = "/api/secrets/rotate",
    responses((status = 200, body = Envelope<RotationWire>), (status = 409, description = "CONFLICT")),
)]
async fn rotate(caller: Authorized<SystemManage>, state: State) -> ApiResult {
    let rotation = state.services.secrets.rotate(&caller).await?;
    Ok(ok(RotationWire { new_key: rotation.new_key, resealed: rotation.resealed }))
}

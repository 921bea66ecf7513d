//! The OpenAPI document: made of the handlers' annotations and of what they read and answer, then completed with what
//! every operation has in common.

mod complete;
mod example;
mod lenient;
pub(crate) mod params;
mod reader;

use std::sync::LazyLock;

use bytes::Bytes;
use utoipa::OpenApi;

pub(crate) use reader::public_routes;

/// The API as the annotations have it.
#[derive(OpenApi)]
#[openapi(
    info(title = "Doolittle", description = include_str!("about.md")),
    paths(
        crate::agents::list,
        crate::agents::create,
        crate::agents::show,
        crate::agents::update,
        crate::agents::remove,
        crate::agents::start,
        crate::agents::stop,
        crate::agents::restart,
        crate::runs::logs,
        crate::runs::remove_log,
        crate::runs::list,
        crate::runs::show,
        crate::runs::panels,
        crate::worlds::of_running,
        crate::worlds::list,
        crate::worlds::create,
        crate::worlds::show,
        crate::worlds::update,
        crate::memories::list,
        crate::memories::revert,
        crate::memories::search,
        crate::memories::embeddings,
        crate::memories::show,
        crate::memories::update,
        crate::memories::remove,
        crate::memories::why,
        crate::memories::list_plain,
        crate::memories::clear,
        crate::memories::update_plain,
        crate::memories::remove_plain,
        crate::memories::clear_room,
        crate::memories::of_room,
        crate::documents::list,
        crate::documents::add,
        crate::documents::show,
        crate::documents::remove,
        crate::rooms::list,
        crate::rooms::create,
        crate::rooms::show,
        crate::rooms::update,
        crate::rooms::remove,
        crate::rooms::create_group,
        crate::rooms::remove_group,
        crate::rooms::clear_group,
        crate::servers::current,
        crate::servers::list,
        crate::servers::create,
        crate::servers::show,
        crate::servers::update,
        crate::servers::remove,
        crate::servers::channels,
        crate::servers::sync,
        crate::servers::agents,
        crate::servers::add,
        crate::servers::unlink,
        crate::servers::of_agent,
        crate::servers::link,
        crate::channels::create,
        crate::channels::direct,
        crate::channels::show,
        crate::channels::update,
        crate::channels::remove,
        crate::channels::participants,
        crate::channels::agents,
        crate::channels::join,
        crate::channels::leave,
        crate::messages::list,
        crate::messages::send,
        crate::messages::clear,
        crate::messages::remove,
        crate::messages::title,
        crate::messages::show,
        crate::messages::edit,
        crate::messages::search,
        crate::messages::submit,
        crate::messages::action,
        crate::messages::ingest,
        crate::messages::complete,
        crate::sessions::list,
        crate::sessions::open,
        crate::sessions::health,
        crate::sessions::show,
        crate::sessions::close,
        crate::sessions::messages,
        crate::sessions::send,
        crate::sessions::renew,
        crate::sessions::limit,
        crate::sessions::heartbeat,
        crate::jobs::list,
        crate::jobs::create,
        crate::jobs::health,
        crate::jobs::show,
        crate::events::read,
        crate::media::upload,
        crate::media::upload_for_agent,
        crate::media::upload_to_channel,
        crate::media::upload_to_messaging_channel,
        crate::media::of_agent,
        crate::media::of_channel,
        crate::media::generated,
        crate::audio::transcribe,
        crate::audio::transcriptions,
        crate::audio::audio_messages,
        crate::audio::generate,
        crate::audio::speak,
        crate::audio::synthesize,
        crate::audio::answer,
        crate::audio::converse,
        crate::system::ping,
        crate::system::status,
        crate::system::api_health,
        crate::system::figures,
        crate::figures::figures,
        crate::system::health,
        crate::system::alive,
        crate::manage::hello,
        crate::manage::version,
        crate::manage::config,
        crate::manage::servers,
        crate::manage::log,
        crate::manage::log_by_post,
        crate::manage::clear_log,
        crate::manage::follow_log,
        crate::manage::environment,
        crate::manage::change_environment,
        crate::manage::stop,
        crate::secrets::rotate,
        crate::keys::list,
        crate::keys::create,
        crate::keys::revoke,
        crate::sockets::open_or_read,
        crate::sockets::write,
        crate::tee::status,
        crate::tee::attest,
        crate::tee::agents,
        crate::tee::agent,
        crate::tee::logs,
    )
)]
struct Annotations;

/// The document, indented for people.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().into());

/// Makes the document.
pub fn document() -> String {
    let mut document = serde_json::to_value(Annotations::openapi()).unwrap_or_default();
    complete::complete(&mut document);
    lenient::complete(&mut document);
    format!("{document:#}\n")
}

//! How routes are written down: one line per path, with every method it has.

use actix_web::{HttpResponse, ResponseError, Route, web};

use crate::errors::ApiError;

/// The alternatives that elizaOS has had for "channels" in a path.
macro_rules! channels {
    ($rest:literal) => {
        concat!("/messaging/{_:channels|central-channels}", $rest)
    };
}

/// The alternatives that elizaOS has had for "message servers" in a path.
macro_rules! servers {
    ($rest:literal) => {
        concat!("/messaging/{_:servers|message-servers|central-servers}", $rest)
    };
}

/// The alternatives for an agent's message servers in a path.
macro_rules! agent_servers {
    ($rest:literal) => {
        concat!("/messaging/agents/{agent_id}/{_:servers|message-servers}", $rest)
    };
}

pub(crate) use {agent_servers, channels, servers};

/// A path with its methods. Any other method is 404, as elizaOS answers it.
pub(crate) fn at(config: &mut web::ServiceConfig, path: &str, routes: impl IntoIterator<Item = Route>) {
    let resource = routes.into_iter().fold(web::resource(path), actix_web::Resource::route);
    config.service(resource.default_service(web::to(no_route)));
}

/// The answer where no route matches.
pub(crate) async fn no_route() -> HttpResponse {
    ApiError::no_route().error_response()
}

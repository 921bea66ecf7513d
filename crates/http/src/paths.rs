//! Paths the way Express reads them: any case, with or without slashes at the end; and every name that elizaOS has had for
//! the same.

use std::borrow::Cow;

use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;

/// Beginnings of paths that have other names, and the name that the routes have.
const NAMES: [(&str, &str); 6] = [
    ("/api/messaging/channels", "/api/messaging/central-channels"),
    ("/api/messaging/servers", "/api/messaging/central-servers"),
    ("/api/messaging/message-servers", "/api/messaging/central-servers"),
    ("/api/messaging/external-messages", "/api/messaging/ingest-external"),
    ("/api/system/environment/local", "/api/system/environment"),
    ("/api/system/env/local", "/api/system/environment"),
];

/// Rewrites the request's path to the one spelling that routes are written in. Ids lose their case with it, which is how
/// they are compared anyway.
pub(crate) fn normalise(request: &mut ServiceRequest) {
    let Some(uri) = normal(request.uri()) else { return };
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}

/// The normal spelling where it differs from the given one.
fn normal(uri: &Uri) -> Option<Uri> {
    let Cow::Owned(mut spelled) = named(spelled(uri.path())) else { return None };
    if let Some(query) = uri.query() {
        spelled.push('?');
        spelled.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(spelled).ok()?);
    Uri::from_parts(parts).ok()
}

fn spelled(path: &str) -> Cow<'_, str> {
    let slashed = path.len() > 1 && path.ends_with('/');
    if !slashed && !path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(path);
    }
    let trimmed = path.trim_end_matches('/');
    Cow::Owned(if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_ascii_lowercase() })
}

fn named(path: Cow<'_, str>) -> Cow<'_, str> {
    match other_name(&path) {
        Some(path) => Cow::Owned(path),
        None => path,
    }
}

fn other_name(path: &str) -> Option<String> {
    let at_a_boundary = |rest: &&str| rest.is_empty() || rest.starts_with('/');
    if let Some(rest) = path.strip_prefix("/api/messaging/agents/") {
        let (agent, servers) = rest.split_once('/')?;
        let rest = servers.strip_prefix("message-servers").filter(at_a_boundary)?;
        return Some(format!("/api/messaging/agents/{agent}/servers{rest}"));
    }
    if let Some(rest) = path.strip_prefix("/api/memory/") {
        let (agent, rest) = rest.split_once('/').filter(|(agent, _)| !["agents", "groups"].contains(agent))?;
        let of_agents = ["memories", "rooms"].iter().any(|name| rest.strip_prefix(name).as_ref().is_some_and(at_a_boundary));
        return of_agents.then(|| format!("/api/agents/{agent}/{rest}"));
    }
    NAMES.iter().find_map(|(name, ours)| Some([ours, path.strip_prefix(name).filter(at_a_boundary)?].concat()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::Uri;

    use super::normal;

    #[test]
    fn only_the_path_changes_and_only_where_it_must() {
        for (given, expected) in [
            ("/api/agents", None),
            ("/", None),
            ("/api/agents?Name=X/", None),
            ("/API/Agents/", Some("/api/agents")),
            ("/api/agents///?Name=X/", Some("/api/agents?Name=X/")),
            ("///", Some("/")),
            ("/api/messaging/channels", Some("/api/messaging/central-channels")),
            (
                "/api/messaging/Channels/X/messages?q=/api/messaging/channels/",
                Some("/api/messaging/central-channels/x/messages?q=/api/messaging/channels/"),
            ),
            ("/api/messaging/channelsx", None),
            ("/api/messaging/message-servers/1/agents", Some("/api/messaging/central-servers/1/agents")),
            ("/api/messaging/message-server/current", None),
            ("/api/messaging/external-messages", Some("/api/messaging/ingest-external")),
            ("/api/messaging/agents/1/message-servers/2", Some("/api/messaging/agents/1/servers/2")),
            ("/api/memory/1/memories?limit=1", Some("/api/agents/1/memories?limit=1")),
            ("/api/memory/1/rooms/2/memories", Some("/api/agents/1/rooms/2/memories")),
            ("/api/memory/agents/1/memories", None),
            ("/api/memory/groups/1/memories", None),
            ("/api/memory/1/memoriesx", None),
            ("/api/memory/1", None),
            ("/api/messaging/agents/1/2/message-servers", None),
            ("/api/messaging/agents/1/message-serversx", None),
        ] {
            let uri: Uri = given.parse().unwrap();
            assert_eq!(normal(&uri), expected.map(|path| path.parse().unwrap()), "{given}");
        }
    }
}

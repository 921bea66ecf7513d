//! Paths the way Express reads them: any case, with or without slashes at the end.

use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;

/// Rewrites the request's path to the one spelling that routes are written in. Ids lose their case with it, which is how
/// they are compared anyway.
pub(crate) fn normalise(request: &mut ServiceRequest) {
    let Some(uri) = normal(request.uri()) else { return };
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}

/// The normal spelling where it differs from the given one.
fn normal(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let slashed = path.len() > 1 && path.ends_with('/');
    if !slashed && !path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let trimmed = path.trim_end_matches('/');
    let mut spelled = if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_ascii_lowercase() };
    if let Some(query) = uri.query() {
        spelled.push('?');
        spelled.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(spelled).ok()?);
    Uri::from_parts(parts).ok()
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
        ] {
            let uri: Uri = given.parse().unwrap();
            assert_eq!(normal(&uri), expected.map(|path| path.parse().unwrap()), "{given}");
        }
    }
}

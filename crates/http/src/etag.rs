//! Entity tags: a client that has the answer already is told so in a line.

use std::hash::BuildHasher;

use actix_web::body::{BoxBody, MessageBody, None as NoBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use foldhash::quality::FixedState;

/// Answers are their caller's alone, and are asked for again each time; the tag makes that cheap.
const REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// What a reader has already, by its `If-None-Match`.
pub(crate) struct Known(Vec<String>);

impl Known {
    /// The tags that a request names, and `*`.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let lists = headers.get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
        Self(lists.flat_map(|list| list.split(',')).map(|tag| opaque(tag).to_owned()).collect())
    }

    /// Whether the reader has what this tag names.
    pub(crate) fn has(&self, tag: &str) -> bool {
        self.0.iter().any(|known| known == "*" || known == opaque(tag))
    }
}

/// The tag without the mark of a weak one, which does not count when tags are compared for reading.
fn opaque(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn may_not_be_kept(headers: &HeaderMap) -> bool {
    headers.get_all(CACHE_CONTROL).any(|value| value.to_str().is_ok_and(|value| value.contains("no-store")))
}

/// Puts a tag on an answer to a read, or leaves the body away where the reader has it. Streams, failures, and what nobody may keep have
/// none.
pub(crate) fn tagged(response: ServiceResponse<BoxBody>, known: &Known) -> ServiceResponse<BoxBody> {
    if response.status() != StatusCode::OK || may_not_be_kept(response.headers()) {
        return response;
    }
    let mut tag = None;
    let mut response = response.map_body(|head, body| match body.try_into_bytes() {
        Ok(bytes) if !head.headers.contains_key(ETAG) => {
            let text = format!("W/\"{:x}-{:x}\"", bytes.len(), FixedState::default().hash_one(&bytes));
            let has = known.has(&text);
            tag = Some((text, has));
            if has { NoBody::new().boxed() } else { bytes.boxed() }
        }
        Ok(bytes) => bytes.boxed(),
        Err(body) => body,
    });
    let Some((tag, has)) = tag else { return response };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, REVALIDATE);
    }
    if has {
        headers.remove(CONTENT_TYPE);
        headers.remove(CONTENT_LENGTH);
        *response.response_mut().status_mut() = StatusCode::NOT_MODIFIED;
    }
    response
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(lists: &[String]) -> Known {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(IF_NONE_MATCH, HeaderValue::from_bytes(list.as_bytes()).unwrap());
        }
        Known::of(&headers)
    }

    proptest! {
        #[test]
        fn a_tag_is_known_where_it_is_named_however_and_nowhere_else(
            named in prop::collection::vec(("[a-z0-9-]{1,9}", any::<bool>(), "[ \t]{0,2}"), 0..9),
            other in "[A-Z]{1,9}",
            in_one_line: bool,
        ) {
            let tags = named.iter().map(|(tag, weak, gap)| format!("{gap}{}\"{tag}\"{gap}", if *weak { "W/" } else { "" }));
            let lists: Vec<String> = if in_one_line { vec![tags.collect::<Vec<_>>().join(",")] } else { tags.collect() };
            let known = known(&lists);
            for (tag, _, _) in &named {
                let (strong, weak) = (format!("\"{tag}\""), format!("W/\"{tag}\""));
                prop_assert!(known.has(&strong) && known.has(&weak), "{lists:?} has {tag}");
            }
            let other = format!("\"{other}\"");
            prop_assert!(!known.has(&other));
        }

        #[test]
        fn whatever_a_header_says_only_a_star_means_all(list in "[\\x20-\\x7e\\x80-\\xff]{0,40}") {
            let known = known(std::slice::from_ref(&list));
            let star = list.split(',').any(|tag| opaque(tag) == "*");
            prop_assert_eq!(known.has("\"0-0\""), list.is_ascii() && (star || list.split(',').any(|tag| opaque(tag) == "\"0-0\"")));
        }
    }
}

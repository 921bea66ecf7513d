//! Serving a file: whole, in part, or not at all where the reader has it; never as something that a browser would run.

use std::fmt::Write as _;
use std::future::{Ready, ready};
use std::ops::Range;

use actix_web::body::SizedStream;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, CROSS_ORIGIN_RESOURCE_POLICY,
    ETAG, HeaderMap, IF_RANGE, RANGE,
};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use core_types::error::chain;
use core_types::media::{MediaClass, MediaFile, MediaName, MediaPlace, MediaReader, MediaStoreError, MediaType};
use futures_util::stream;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{ObjectBuilder, schema::Type};

use crate::app::Shared;
use crate::errors::{ApiError, ApiResult, Code};
use crate::etag::Known;
use crate::openapi::params;

/// A file never changes, so who has it need not ask; a day later it may be gone.
const CACHED: &str = "private, max-age=86400, immutable";

/// Whoever opens a file's address sees a picture, hears it, or downloads it. Nothing in it runs, and it is in no page's origin;
/// the browser's own players need the file itself and their style.
const POLICY: &str = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// What a reader wants of a file, by the headers of the request.
pub(crate) struct Wanted {
    range: Option<String>,
    if_range: Option<String>,
    known: Known,
}

/// What a reader gets.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Some(Range<u64>),
    None,
}

impl FromRequest for Wanted {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request.headers())))
    }
}

impl IntoParams for Wanted {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = || ObjectBuilder::new().schema_type(Type::String).build();
        vec![
            params::header("Range", text(), "One range of bytes; a list of several is answered with the whole file"),
            params::header("If-Range", text(), "The range counts only for the file with this `ETag`"),
            params::header("If-None-Match", text(), "Tags of what the reader has already"),
        ]
    }
}

impl Wanted {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { range: text(RANGE), if_range: text(IF_RANGE), known: Known::of(headers) }
    }

    /// What to send of a file of this size and tag. A range that cannot be read is as good as none.
    fn part(&self, size: u64, tag: &str) -> Part {
        let current = self.if_range.as_deref().is_none_or(|wanted| wanted.trim() == tag);
        let Some(range) = self.range.as_deref().filter(|_| current) else { return Part::Whole };
        let spec = range.split_once('=').filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes")).map(|(_, spec)| spec.trim());
        let Some((first, last)) = spec.and_then(|spec| spec.split_once('-')) else { return Part::Whole };
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last && first < size => Part::Some(first..last.saturating_add(1).min(size)),
            (Some(first), None) if last.is_empty() && first < size => Part::Some(first..size),
            (None, Some(count)) if first.is_empty() && count > 0 && size > 0 => Part::Some(size.saturating_sub(count)..size),
            (Some(first), Some(last)) if first <= last => Part::None,
            (Some(_), None) if last.is_empty() => Part::None,
            (None, Some(_)) if first.is_empty() => Part::None,
            _ => Part::Whole,
        }
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Answers with a file.
pub(crate) async fn serve(shared: &Shared, place: MediaPlace, name: MediaName, wanted: &Wanted) -> ApiResult {
    let media = shared.services.media.as_ref();
    let file = media.find(place, name).await?;
    let tag = tag(&file);
    if wanted.known.has(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).insert_header((CACHE_CONTROL, CACHED)).finish());
    }
    let (status, range) = match wanted.part(file.size, &tag) {
        Part::Whole => (StatusCode::OK, 0..file.size),
        Part::Some(range) => (StatusCode::PARTIAL_CONTENT, range),
        Part::None => return Ok(unsatisfiable(file.size)),
    };
    let reader = media.read(&file, range.clone()).await?;
    let mut answer = HttpResponse::build(status);
    if status == StatusCode::PARTIAL_CONTENT {
        answer.insert_header((CONTENT_RANGE, format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), file.size)));
    }
    Ok(answer
        .insert_header((CONTENT_TYPE, content_type(file.media_type)))
        .insert_header((CONTENT_DISPOSITION, disposition(&file)))
        .insert_header((ETAG, tag))
        .insert_header((CACHE_CONTROL, CACHED))
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        // Web interfaces are often served from elsewhere than the API.
        .insert_header((CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"))
        .body(SizedStream::new(range.end.saturating_sub(range.start), pieces(reader))))
}

fn pieces(reader: Box<dyn MediaReader>) -> impl stream::Stream<Item = Result<bytes::Bytes, MediaStoreError>> {
    stream::try_unfold(reader, |mut reader| async move {
        match reader.next().await {
            Ok(piece) => Ok(piece.map(|piece| (piece, reader))),
            Err(error) => {
                // The answer has begun; all that is left is to cut it off.
                log::error!("a file cannot be read to its end: {}", chain(&error));
                Err(error)
            }
        }
    })
}

/// The tag is the file's content, so it is a strong one.
fn tag(file: &MediaFile) -> String {
    let (half, _) = file.sha256.split_at(16);
    let digits = half.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    });
    format!("\"{digits}\"")
}

fn unsatisfiable(size: u64) -> HttpResponse {
    let mut answer = ApiError::new(Code::RangeNotSatisfiable, format!("The file has {size} bytes")).error_response();
    if let Ok(range) = format!("bytes */{size}").parse() {
        answer.headers_mut().insert(CONTENT_RANGE, range);
    }
    answer
}

fn content_type(media_type: MediaType) -> String {
    let charset = if media_type == MediaType::Text { "; charset=utf-8" } else { "" };
    format!("{}{charset}", media_type.mime())
}

/// Pictures and sound are shown; anything else is saved. The name is the sender's, in the two spellings of RFC 6266.
fn disposition(file: &MediaFile) -> String {
    let manner = if file.media_type.class() == MediaClass::Document { "attachment" } else { "inline" };
    let name = if file.original_name.is_empty() { file.name().to_string() } else { file.original_name.clone() };
    let plain: String = name.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if is_unreserved(byte) {
            encoded.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    format!("{manner}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

const fn is_plain(letter: char) -> bool {
    matches!(letter, ' '..='~') && !matches!(letter, '"' | '\\' | '%')
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use core_types::{AgentId, MediaId, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn wanted(range: Option<&str>, if_range: Option<&str>) -> Wanted {
        Wanted { range: range.map(str::to_owned), if_range: if_range.map(str::to_owned), known: Known::of(&HeaderMap::new()) }
    }

    #[test]
    fn a_range_is_read_as_the_standard_has_it() {
        for (range, expected) in [
            ("bytes=0-9", Part::Some(0..10)),
            ("Bytes = 0-0", Part::Some(0..1)),
            ("bytes=90-", Part::Some(90..100)),
            ("bytes=90-1000", Part::Some(90..100)),
            ("bytes=99-99999999999999999999", Part::Whole),
            ("bytes=-10", Part::Some(90..100)),
            ("bytes=-1000", Part::Some(0..100)),
            ("bytes=100-", Part::None),
            ("bytes=100-200", Part::None),
            ("bytes=-0", Part::None),
            ("bytes=9-0", Part::Whole),
            ("bytes=0-1,5-6", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("items=0-9", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(wanted(Some(range), None).part(100, "\"t\""), expected, "{range}");
        }
        for (if_range, expected) in [("\"t\"", Part::Some(0..1)), ("W/\"t\"", Part::Whole), ("Thu, 01 Jan 1970 00:00:00 GMT", Part::Whole)]
        {
            assert_eq!(wanted(Some("bytes=0-0"), Some(if_range)).part(100, "\"t\""), expected, "{if_range}");
        }
    }

    proptest! {
        #[test]
        fn a_range_is_never_beyond_the_file(range in "(bytes ?= ?)?[0-9+-]{0,21}-?[0-9,a]{0,21}|\\PC*", size: u64) {
            if let Part::Some(part) = wanted(Some(&range), None).part(size, "\"t\"") {
                prop_assert!(part.start < part.end && part.end <= size, "{range}: {part:?} of {size}");
            }
        }

        #[test]
        fn a_range_within_the_file_is_what_is_sent(size in 1..=u64::MAX, first: u64, last: u64) {
            let (first, last) = (first % size, last % size);
            let (first, last) = (first.min(last), first.max(last));
            for (range, expected) in [
                (format!("bytes={first}-{last}"), first..last + 1),
                (format!("bytes={first}-"), first..size),
                (format!("bytes=-{}", size - first), first..size),
            ] {
                prop_assert_eq!(wanted(Some(&range), None).part(size, "\"t\""), Part::Some(expected), "{}", range);
            }
        }
    }

    #[test]
    fn a_name_cannot_leave_its_header() {
        let file = |media_type, name: &str| MediaFile {
            id: MediaId::from_bits(1),
            place: MediaPlace::Agent(AgentId::of_name("x")),
            media_type,
            original_name: name.to_owned(),
            size: 1,
            sha256: [0; 32],
            created_at: Timestamp::from_millis(0),
        };
        for (media_type, name, expected) in [
            (MediaType::Png, "a b.png", "inline; filename=\"a b.png\"; filename*=UTF-8''a%20b.png"),
            (MediaType::Text, "x.html", "attachment; filename=\"x.html\"; filename*=UTF-8''x.html"),
            (MediaType::Pdf, "a\";\r\nb\\%é", "attachment; filename=\"a_;__b___\"; filename*=UTF-8''a%22%3B%0D%0Ab%5C%25%C3%A9"),
            (
                MediaType::Mp3,
                "",
                "inline; filename=\"00000000000000000000000000000001.mp3\"; filename*=UTF-8''00000000000000000000000000000001.mp3",
            ),
        ] {
            assert_eq!(disposition(&file(media_type, name)), expected);
        }
    }
}

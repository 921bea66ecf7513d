//! Where the document can be read: as JSON, and as a page that needs nothing from elsewhere.

use std::io::{self, Read as _};

use actix_web::http::header::{
    AcceptEncoding, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ContentEncoding, Encoding, Header as _, LOCATION, VARY,
};
use actix_web::web::{Path, get};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use flate2::read::GzDecoder;

use crate::errors::{ApiError, ApiResult};
use crate::routing::{Routes, no_route};

/// The reader puts styles into elements, and draws its icons from `data:`; scripts come from here alone.
const READER_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What starts the reader on our document.
const START: &str = include_str!("reader.js");

/// A file that `build.rs` has made: text is compressed, images are as they are.
macro_rules! made_file {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name))
    };
}

/// `docs/openapi.json`.
const DOCUMENT: &[u8] = made_file!("openapi.json.gz");

/// Routes that need no key: there is nothing in them that the project does not publish.
pub(crate) fn public_routes(routes: &mut Routes) {
    routes.at("/api/openapi.json", [get().to(show)]);
    routes.at("/api/docs", [get().to(index)]);
    routes.at("/api/docs/{file}", [get().to(file)]);
}

/// The OpenAPI document, indented for people.
pub fn document() -> String {
    String::from_utf8(inflated(DOCUMENT).unwrap_or_default()).unwrap_or_default()
}

async fn show(request: HttpRequest) -> ApiResult {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_TYPE, "application/json; charset=utf-8"));
    text(&request, answer, DOCUMENT)
}

/// The page's own links are relative to its directory.
async fn index() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/api/docs/index.html")).finish()
}

async fn file(request: HttpRequest, name: Path<String>) -> ApiResult {
    let (kind, compressed): (_, &'static [u8]) = match name.as_str() {
        "favicon-16x16.png" => return Ok(answer("image/png").body(made_file!("favicon-16x16.png").as_slice())),
        "favicon-32x32.png" => return Ok(answer("image/png").body(made_file!("favicon-32x32.png").as_slice())),
        "swagger-initializer.js" => return Ok(answer("text/javascript; charset=utf-8").body(START)),
        "index.html" => ("text/html; charset=utf-8", made_file!("index.html")),
        "index.css" => ("text/css; charset=utf-8", made_file!("index.css")),
        "swagger-ui.css" => ("text/css; charset=utf-8", made_file!("swagger-ui.css")),
        "swagger-ui-bundle.js" => ("text/javascript; charset=utf-8", made_file!("swagger-ui-bundle.js")),
        "swagger-ui-standalone-preset.js" => ("text/javascript; charset=utf-8", made_file!("swagger-ui-standalone-preset.js")),
        _ => return Ok(no_route().await),
    };
    text(&request, answer(kind), compressed)
}

fn answer(kind: &'static str) -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_TYPE, kind)).insert_header((CONTENT_SECURITY_POLICY, READER_POLICY));
    answer
}

/// Answers with a text as it is compressed, or without that where the caller does not take it.
fn text(request: &HttpRequest, mut answer: HttpResponseBuilder, compressed: &'static [u8]) -> ApiResult {
    answer.insert_header((VARY, "accept-encoding"));
    if takes_gzip(request) {
        return Ok(answer.insert_header((CONTENT_ENCODING, ContentEncoding::Gzip.to_header_value())).body(compressed));
    }
    let bytes = inflated(compressed).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(answer.body(bytes))
}

fn inflated(compressed: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(compressed).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Browsers say that they do.
fn takes_gzip(request: &HttpRequest) -> bool {
    let offered = [Encoding::gzip(), Encoding::identity()];
    AcceptEncoding::parse(request).is_ok_and(|accepted| accepted.negotiate(offered.iter()) == Some(Encoding::gzip()))
}

//! Where the document can be read: as JSON, and as a page that needs nothing from elsewhere.

use std::io::Read as _;

use actix_web::http::header::{
    AcceptEncoding, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ContentEncoding, Encoding, Header as _, LOCATION, VARY,
};
use actix_web::web::{Path, get};
use actix_web::{HttpRequest, HttpResponse};
use flate2::read::GzDecoder;

use crate::errors::{ApiError, ApiResult};
use crate::openapi::DOCUMENT;
use crate::routing::{Routes, no_route};

/// The reader puts styles into elements, and draws its icons from `data:`; scripts come from here alone.
const READER_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What starts the reader on our document.
const START: &str = include_str!("reader.js");

/// A file of Swagger UI as `build.rs` took it out: text is compressed, images are as they are.
macro_rules! file_of_reader {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name))
    };
}

/// Routes that need no key: there is nothing in them that the project does not publish.
pub(crate) fn public_routes(routes: &mut Routes) {
    routes.at("/api/openapi.json", [get().to(document)]);
    routes.at("/api/docs", [get().to(index)]);
    routes.at("/api/docs/{file}", [get().to(file)]);
}

async fn document() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json; charset=utf-8")).body(DOCUMENT.clone())
}

/// The page's own links are relative to its directory.
async fn index() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/api/docs/index.html")).finish()
}

async fn file(request: HttpRequest, name: Path<String>) -> ApiResult {
    let (kind, compressed): (_, &'static [u8]) = match name.as_str() {
        "favicon-16x16.png" => return Ok(answer("image/png").body(file_of_reader!("favicon-16x16.png").as_slice())),
        "favicon-32x32.png" => return Ok(answer("image/png").body(file_of_reader!("favicon-32x32.png").as_slice())),
        "swagger-initializer.js" => return Ok(answer("text/javascript; charset=utf-8").body(START)),
        "index.html" => ("text/html; charset=utf-8", file_of_reader!("index.html")),
        "index.css" => ("text/css; charset=utf-8", file_of_reader!("index.css")),
        "swagger-ui.css" => ("text/css; charset=utf-8", file_of_reader!("swagger-ui.css")),
        "swagger-ui-bundle.js" => ("text/javascript; charset=utf-8", file_of_reader!("swagger-ui-bundle.js")),
        "swagger-ui-standalone-preset.js" => ("text/javascript; charset=utf-8", file_of_reader!("swagger-ui-standalone-preset.js")),
        _ => return Ok(no_route().await),
    };
    let mut answer = answer(kind);
    answer.insert_header((VARY, "accept-encoding"));
    if takes_gzip(&request) {
        return Ok(answer.insert_header((CONTENT_ENCODING, ContentEncoding::Gzip.to_header_value())).body(compressed));
    }
    let mut bytes = Vec::new();
    GzDecoder::new(compressed).read_to_end(&mut bytes).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(answer.body(bytes))
}

fn answer(kind: &'static str) -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_TYPE, kind)).insert_header((CONTENT_SECURITY_POLICY, READER_POLICY));
    answer
}

/// Browsers say that they do.
fn takes_gzip(request: &HttpRequest) -> bool {
    let offered = [Encoding::gzip(), Encoding::identity()];
    AcceptEncoding::parse(request).is_ok_and(|accepted| accepted.negotiate(offered.iter()) == Some(Encoding::gzip()))
}

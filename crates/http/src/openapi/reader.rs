//! Where the document can be read: as JSON, and as a page that needs nothing from elsewhere.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use actix_web::web::{Path, ServiceConfig, get};
use bytes::Bytes;
use utoipa_swagger_ui::{Config, serve};

use crate::errors::{ApiError, ApiResult};
use crate::openapi::DOCUMENT;
use crate::routing::{at, no_route};

/// The reader puts styles into elements, and draws its icons from `data:`; scripts come from here alone.
const READER_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static READER: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::from("/api/openapi.json").persist_authorization(false)));

/// Routes that need no key: there is nothing in them that the project does not publish.
pub(crate) fn public_routes(config: &mut ServiceConfig) {
    at(config, "/api/openapi.json", [get().to(document)]);
    at(config, "/api/docs", [get().to(index)]);
    at(config, "/api/docs/{file}", [get().to(file)]);
}

async fn document() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json; charset=utf-8")).body(DOCUMENT.clone())
}

/// The page's own links are relative to its directory.
async fn index() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/api/docs/index.html")).finish()
}

async fn file(name: Path<String>) -> ApiResult {
    let Some(file) = serve(&name, READER.clone()).map_err(|error| ApiError::internal(error.to_string()))? else {
        return Ok(no_route().await);
    };
    let bytes = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, file.content_type))
        .insert_header((CONTENT_SECURITY_POLICY, READER_POLICY))
        .body(bytes))
}

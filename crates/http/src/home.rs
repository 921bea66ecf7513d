//! What is at `/`: a page that says how the server is and where to read on.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::web::{ServiceConfig, get};
use core_types::agents::AgentCount;

use crate::app::State;
use crate::routing::at;
use crate::system::checked;

const PAGE: &str = include_str!("home/page.html");
const STYLE: &str = include_str!("home/home.css");

/// The page has a style of its own and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Routes that need no key.
pub(crate) fn public_routes(config: &mut ServiceConfig) {
    at(config, "/", [get().to(page)]);
    at(config, "/home.css", [get().to(style)]);
}

async fn page(state: State) -> HttpResponse {
    let (mood, health) = match checked(&state).await {
        None => ("bad", "The database cannot be reached; the log says why.".to_owned()),
        Some(AgentCount { running: 0, .. }) => ("bad", "The server is well, but no agent runs: nobody would answer.".to_owned()),
        Some(AgentCount { running: 1, .. }) => ("good", "The server is well, and one agent runs.".to_owned()),
        Some(AgentCount { running, .. }) => ("good", format!("The server is well, and {running} agents run.")),
    };
    let page = PAGE.replace("{version}", &escaped(&state.settings.version)).replace("{mood}", mood).replace("{health}", &health);
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/html; charset=utf-8")).insert_header((CONTENT_SECURITY_POLICY, POLICY)).body(page)
}

async fn style() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/css; charset=utf-8")).body(STYLE)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

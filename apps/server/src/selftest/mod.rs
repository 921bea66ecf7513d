//! The verb `selftest`: shows on a running server that everybody is let on to what is theirs and to nothing else.

use std::io::{self, Write as _};

use outbound::Method;
use serde_json::Value;

use crate::cli::SelftestVerb;
use crate::client::default_url;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::program::print;
use crate::terminal;

pub mod authz;
mod clean;
pub mod decisions;
mod requests;
mod sockets;
mod world;

use authz::Callers;
use clean::{Marks, clean};
use world::Asker;

/// The most characters of an answer that are shown.
const SHOWN: usize = 200;

/// What was looked at, and what was not as it should be.
#[derive(Debug, Default)]
pub struct Report {
    /// How many checks were made.
    pub checks: usize,
    /// What failed, and what was seen instead.
    pub failures: Vec<String>,
}

impl Report {
    fn check(&mut self, what: &str, right: bool, seen: &str) {
        self.checks += 1;
        if !right {
            self.failures.push(if seen.is_empty() { what.to_owned() } else { format!("{what}: {seen}") });
        }
    }
}

/// Does what the command line says.
pub async fn run(config: &Config, verb: SelftestVerb) -> Result<(), Failure> {
    let SelftestVerb::Authz { base_url, key } = verb;
    let base_url = base_url.unwrap_or_else(|| default_url(config));
    let key = key
        .or_else(|| config.client_key.as_ref().map(|key| key.reveal().to_owned()))
        .ok_or_else(|| Failure::new(Exit::Usage, "the owner's key is needed: give it with --key or ELIZA_SERVER_AUTH_TOKEN"))?;
    let _ = writeln!(io::stderr(), "Two tenants are made, everything is asked by everybody, and what was made is deleted.");
    let name = format!("selftest-{}", std::process::id());
    let report = on(&base_url, &key, &name).await?;
    if report.failures.is_empty() {
        return print(&format!(
            "{} checks of {} operations and {} events: all as decided.\n",
            report.checks,
            operations().len(),
            decisions::EVENTS.len()
        ));
    }
    for failure in &report.failures {
        print(&format!("FAILED  {}\n", terminal::line(failure)))?;
    }
    Err(Failure::new(Exit::Failure, format!("{} of {} checks failed", report.failures.len(), report.checks)))
}

/// The whole test on a server that wants a key; `name` keeps what it makes apart from everything else.
pub async fn on(url: &str, key: &str, name: &str) -> Result<Report, Failure> {
    let owner = Asker::new(url, "the owner", Some(key))?;
    wants_a_key(url).await?;
    // Nothing is made, and so nothing cleaned up, with a key that is not the owner's.
    owner.must(Method::Get, "/api/keys", None).await?;
    let marks = Marks::of(name);
    let mut report = Report::default();
    let done = match Callers::make(url, owner.clone(), &marks).await {
        Ok(callers) => authz::run(&callers, &mut report).await,
        Err(failure) => Err(failure),
    };
    let cleaned = clean(&owner, &marks).await;
    if let (Err(_), Err(left)) = (&done, &cleaned) {
        // The one failure does not hide what the other leaves behind.
        let _ = writeln!(io::stderr(), "{}", left.story());
    }
    done.and(cleaned).map(|()| report)
}

/// A server without keys takes everybody for its owner.
async fn wants_a_key(url: &str) -> Result<(), Failure> {
    let nobody = Asker::new(url, "nobody", None)?;
    let answer = nobody
        .server
        .get("/api/agents")
        .await
        .map_err(|error| Failure::new(Exit::Unreachable, format!("no server answers at {}", nobody.server.address())).because(error))?;
    if answer.status() == 401 {
        return Ok(());
    }
    let message = "the server answers without a key, so there is nothing to test: set ELIZA_SERVER_AUTH_TOKEN and start it again";
    Err(Failure::new(Exit::Usage, message))
}

/// Every operation of the API: `GET /api/agents`, and so on.
pub fn operations() -> Vec<String> {
    let document: Value = serde_json::from_str(&http_api::openapi_document()).unwrap_or_default();
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    let verbs = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];
    paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().into_iter().flat_map(|item| item.keys()).filter(|method| verbs.contains(&method.as_str()));
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect()
}

fn shortened(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

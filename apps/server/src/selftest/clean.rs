//! Deletes what the test has made, also what it had made when it failed: all of it bears a mark of this run.

use std::time::Duration;

use core_types::MessageServerId;
use core_types::ids::string_to_uuid;
use outbound::Method;
use serde_json::Value;
use tokio::time::sleep;

use super::world::{Asker, text};
use crate::exit::{Exit, Failure};

/// How often something is asked for that the server is too busy for.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);
/// The entries of a page.
const PAGE: usize = 1_000;
/// A list is not read further than this.
const PAGES: usize = 1_000;

/// What is in the name or text of everything that one run makes, and of nothing else.
pub struct Marks {
    /// Of the tenant whose things are asked about.
    pub tenant: String,
    /// Of the other tenant.
    pub stranger: String,
    /// Of what the requests of the test itself make, whoever asks.
    pub extra: String,
}

impl Marks {
    /// Those of a run of this name.
    pub fn of(name: &str) -> Self {
        // None begins with another, also where the names of two runs do.
        Self { tenant: format!("{name}-one"), stranger: format!("{name}-two"), extra: format!("{name}-extra") }
    }
}

/// The person of a tenant of this mark.
pub fn person(mark: &str) -> String {
    string_to_uuid(mark).to_string()
}

/// The channel that a tenant of this mark talks in by sockets.
pub fn socket_channel(mark: &str) -> String {
    string_to_uuid(&format!("channel of {mark}")).to_string()
}

/// Deletes all of one run, and fails if anything of it stays.
pub async fn clean(owner: &Asker, marks: &Marks) -> Result<(), Failure> {
    let mut known = vec![marks.tenant.clone(), marks.stranger.clone(), marks.extra.clone()];
    for mark in [&marks.tenant, &marks.stranger] {
        known.extend([person(mark), socket_channel(mark)]);
    }
    let agents = marked(&owner.must(Method::Get, "/api/agents", None).await?, "agents", &known);
    let keys = marked(&owner.must(Method::Get, "/api/keys", None).await?, "keys", &known);
    let servers = in_pages(owner, "/api/messaging/central-servers", "servers", &known).await?;
    // What has no place of its own is on the server of everybody, and names its people: sessions, jobs, channels of two, speech.
    known.extend(agents.iter().cloned());
    let shared = format!("/api/messaging/central-servers/{}/channels", MessageServerId::DEFAULT);
    let channels = in_pages(owner, &shared, "channels", &known).await?;

    let mut left = Vec::new();
    for (kind, ids) in [
        ("/api/messaging/central-channels", channels),
        ("/api/messaging/central-servers", servers),
        ("/api/agents", agents),
        ("/api/keys", keys),
    ] {
        for id in ids {
            let path = format!("{kind}/{id}");
            if let Some(answer) = delete(owner, &path).await {
                left.push(format!("{path} ({answer})"));
            }
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Failure, format!("what the test has made could not all be deleted, and stays: {}", left.join(", "))))
}

/// The ids of what bears one of these texts, in a list that is given out in pages.
async fn in_pages(owner: &Asker, path: &str, list: &str, known: &[String]) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for page in 0..PAGES {
        let part = owner.must(Method::Get, &format!("{path}?limit={PAGE}&offset={}", page * PAGE), None).await?;
        let length = part.get(list).and_then(Value::as_array).map_or(0, Vec::len);
        found.extend(marked(&part, list, known));
        if length < PAGE {
            break;
        }
    }
    Ok(found)
}

fn marked(answer: &Value, list: &str, known: &[String]) -> Vec<String> {
    let things = answer.get(list).and_then(Value::as_array).into_iter().flatten();
    let ours = things.filter(|thing| {
        let shown = thing.to_string();
        known.iter().any(|text| shown.contains(text.as_str()))
    });
    ours.map(|thing| text(thing, "/id")).collect()
}

/// Deletes something; gives back what the server said where it stays.
async fn delete(owner: &Asker, path: &str) -> Option<String> {
    let mut said = String::new();
    for _ in 0..TRIES {
        match owner.server.delete(path).await {
            // It may be gone already: deleting is tested too.
            Ok(answer) if answer.is_success() || answer.status() == 404 => return None,
            Ok(answer) if !matches!(answer.status(), 408 | 429 | 503) => return Some(super::shortened(&answer.text())),
            Ok(answer) => said = super::shortened(&answer.text()),
            Err(error) => said = error.to_string(),
        }
        sleep(PAUSE).await;
    }
    Some(said)
}

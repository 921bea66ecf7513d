//! Every operation and every event, asked by everybody: who is let on, and what of one tenant another sees.

use std::time::Duration;

use core_types::Permission;
use outbound::{Endpoint, Opened};

use super::clean::Marks;
use super::decisions::{self, Serves};
use super::requests::{Body, FORM, Request, request};
use super::world::{Asker, World};
use super::{Report, operations, sockets};
use crate::exit::{Exit, Failure};

/// How long an answer may take that another would stream.
const STREAM: Duration = Duration::from_secs(5);

/// Everybody who asks.
pub struct Callers {
    /// Without a key.
    pub none: Asker,
    /// With a key that is none.
    pub wrong: Asker,
    /// The owner.
    pub owner: Asker,
    /// The tenant whose things are asked about.
    pub tenant: World,
    /// Another tenant.
    pub stranger: World,
}

impl Callers {
    /// Makes two tenants with one of everything each.
    pub async fn make(url: &str, owner: Asker, marks: &Marks) -> Result<Self, Failure> {
        Ok(Self {
            none: Asker::new(url, "nobody", None)?,
            wrong: Asker::new(url, "a wrong key", Some("doolittle_0000000000000000000000000000000000000000000000000000000000000000"))?,
            tenant: World::make(url, &owner, &marks.tenant, &marks.extra).await?,
            stranger: World::make(url, &owner, &marks.stranger, &marks.extra).await?,
            owner,
        })
    }

    fn narrow(&self, permission: Permission) -> Option<&Asker> {
        self.tenant.narrow.iter().find(|(missing, _)| *missing == permission).map(|(_, asker)| asker)
    }
}

/// Asks everything, by everybody.
pub async fn run(callers: &Callers, report: &mut Report) -> Result<(), Failure> {
    for problem in decisions::undecided() {
        report.check(&problem, false, "");
    }
    let mut all = operations();
    all.sort_by_key(|operation| rank(operation));
    for operation in all {
        let Some(serves) = decisions::of_operation(&operation) else { continue };
        let Some(wanted) = request(&operation, &callers.tenant) else {
            report.check(&operation, false, "there is no request for it");
            continue;
        };
        ask(callers, &operation, serves, &wanted, report).await?;
    }
    sockets::run(callers, report).await
}

/// What deletes comes last, and what holds other things last of all.
fn rank(operation: &str) -> usize {
    let path = operation.split_once(' ').map_or("", |(_, path)| path);
    if !operation.starts_with("DELETE") {
        return match operation {
            "POST /api/agents/{agent_id}/restart" => 1,
            "POST /api/agents/{agent_id}/stop" => 2,
            "POST /api/agents/{agent_id}/start" => 3,
            _ => 0,
        };
    }
    match path {
        "/api/agents/{agent_id}" => 9,
        "/api/messaging/central-servers/{server_id}" => 8,
        "/api/messaging/central-channels/{channel_id}" => 7,
        "/api/messaging/central-servers/{server_id}/agents/{agent_id}" => 6,
        _ if path.ends_with("memories") || path.ends_with("messages") || path.contains("/all/") => 5,
        _ => 4,
    }
}

async fn ask(callers: &Callers, operation: &str, serves: Serves, wanted: &Request, report: &mut Report) -> Result<(), Failure> {
    let marks = &callers.tenant.mark;
    let mut check = |who: &str, answer: &Seen, expected: &str, right: bool| {
        let what = format!("{operation} by {who}");
        let said = format!("expected {expected}, and the answer was {} {}", answer.status, super::shortened(&answer.text));
        report.check(&what, right, &said);
    };
    let blind = |answer: &Seen| !answer.text.contains(marks.as_str());
    for asker in [&callers.none, &callers.wrong] {
        let answer = send(&asker.server, wanted).await?;
        let (expected, right) = match serves {
            Serves::Anyone => ("no refusal for want of a key", open(&answer)),
            Serves::Nearby => ("an answer from this machine only", matches!(answer.status, 200 | 401)),
            _ => ("401 and nothing of a tenant", answer.status == 401 && blind(&answer)),
        };
        check(&asker.name, &answer, expected, right);
    }
    let permission = match serves {
        Serves::Alike(permission) | Serves::Apart(permission) | Serves::Own(permission) => Some(permission),
        Serves::Anyone | Serves::Nearby | Serves::Known | Serves::Owner => None,
    };
    if let Some(asker) = permission.and_then(|permission| callers.narrow(permission)) {
        let answer = send(&asker.server, wanted).await?;
        check(&asker.name, &answer, "403 and nothing of a tenant", answer.status == 403 && blind(&answer));
    }
    let stranger = &callers.stranger.full;
    let answer = send(&stranger.server, wanted).await?;
    let (expected, right) = match serves {
        Serves::Own(_) => ("404 and nothing of another tenant", (answer.status == 404 || is_off(&answer)) && blind(&answer)),
        Serves::Apart(_) | Serves::Alike(_) | Serves::Known => ("what is its own", !refused(&answer) && blind(&answer)),
        Serves::Owner => ("403", answer.status == 403 && blind(&answer)),
        Serves::Anyone | Serves::Nearby => ("no refusal", open(&answer)),
    };
    check("another tenant", &answer, expected, right);
    let answer = send(&callers.tenant.full.server, wanted).await?;
    let (expected, right) = match serves {
        Serves::Owner => ("403", answer.status == 403),
        Serves::Apart(_) if operation.starts_with("GET") && lists(operation) => {
            ("its own things", (200..300).contains(&answer.status) && !blind(&answer))
        }
        Serves::Anyone | Serves::Nearby => ("no refusal", open(&answer)),
        _ => ("no refusal", !refused(&answer)),
    };
    check("the tenant", &answer, expected, right);
    // What the tenant has deleted or stopped is deleted or stopped for everybody; and what is the owner's alone is not done to a
    // server for a test: its keys would be changed, or it would stop.
    let once =
        operation.starts_with("DELETE") || operation.ends_with("/stop") || (serves == Serves::Owner && !operation.starts_with("GET"));
    if !once {
        let answer = send(&callers.owner.server, wanted).await?;
        let right = if matches!(serves, Serves::Anyone) { open(&answer) } else { !refused(&answer) };
        check("the owner", &answer, "no refusal", right);
    }
    Ok(())
}

/// Whether a list shows names or texts of a tenant's things, by which it is seen that it is not empty.
fn lists(operation: &str) -> bool {
    ["/agents", "/central-servers", "/agents/worlds"].iter().any(|list| operation.ends_with(list)) && !operation.contains("tee")
}

/// Whether the answer does not want a key; there may be no such thing.
const fn open(answer: &Seen) -> bool {
    !matches!(answer.status, 401 | 403 | 500)
}

/// Whether the answer is that this server does not attest, whoever asks.
fn is_off(answer: &Seen) -> bool {
    answer.status == 503 && answer.text.contains("TEE_UNAVAILABLE")
}

/// Whether the answer says that the caller may not, that there is no such thing, or that the server failed.
fn refused(answer: &Seen) -> bool {
    matches!(answer.status, 401 | 403 | 404 | 500)
}

/// What came back.
struct Seen {
    status: u16,
    text: String,
}

async fn send(server: &Endpoint, wanted: &Request) -> Result<Seen, Failure> {
    let sent = if wanted.streams {
        match server.clone().with_idle_limit(STREAM).get_event_stream(&wanted.path).await {
            Ok(Opened::Answer(answer)) => Ok(Seen { status: answer.status(), text: answer.text() }),
            Ok(Opened::Events(_)) => Ok(Seen { status: 200, text: String::new() }),
            Err(error) => Err(error),
        }
    } else {
        let answer = match &wanted.body {
            Body::None => server.send(wanted.method, &wanted.path, None).await,
            Body::Json(body) => server.send(wanted.method, &wanted.path, Some(body)).await,
            Body::Form(form) => server.post_bytes(&wanted.path, FORM, form.clone()).await,
            Body::Text(text) => server.post_bytes(&wanted.path, "text/plain", (*text).into()).await,
        };
        answer.map(|answer| Seen { status: answer.status(), text: answer.text() })
    };
    sent.map_err(|error| Failure::new(Exit::Unreachable, format!("{} did not answer {}", server.address(), wanted.path)).because(error))
}

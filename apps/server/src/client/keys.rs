//! The verb `key`.

use core_types::{Clock as _, Permission, Timestamp};
use outbound::Method;
use serde_json::{Value, json};

use super::Server;
use super::agents::{DIGITS, print_json};
use crate::cli::{KeyVerb, NewKeyArgs, ServerArgs};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::program::print;
use crate::terminal;

/// Does what the command line says.
pub async fn run(config: &Config, verb: KeyVerb, server: &ServerArgs, as_json: bool) -> Result<(), Failure> {
    let server = Server::named(config, server)?;
    match verb {
        KeyVerb::Create(args) => create(&server, args, as_json).await,
        KeyVerb::List => {
            let answer = server.ask(Method::Get, "/api/keys", None).await?;
            if as_json { print_json(answer.get("keys").unwrap_or(&answer)) } else { print(&listing(&answer)) }
        }
        KeyVerb::Revoke { id } if id.trim().is_empty() => {
            let message = "say which key: its id, or a beginning of eight digits that only one has; `doolittle key list` shows them";
            Err(Failure::new(Exit::Usage, message))
        }
        KeyVerb::Revoke { id } => {
            let id = one(&server.ask(Method::Get, "/api/keys", None).await?, &id)?;
            server.ask(Method::Delete, &format!("/api/keys/{id}"), None).await?;
            if as_json { print_json(&json!({ "id": id })) } else { print(&format!("{id} is revoked and counts nowhere any more\n")) }
        }
    }
}

async fn create(server: &Server, args: NewKeyArgs, as_json: bool) -> Result<(), Failure> {
    let NewKeyArgs { name, scope, server: servers, expires, tenant } = args;
    let expires_at = expires.as_deref().map(|text| end(text, SystemClock.now())).transpose()?;
    let wanted = json!({
        "name": name,
        "scopes": scope.iter().map(Permission::to_string).collect::<Vec<_>>(),
        "servers": servers,
        "tenant": tenant,
        "expiresAt": expires_at.map(Timestamp::iso),
    });
    let made = server.ask(Method::Post, "/api/keys", Some(&wanted)).await?;
    if as_json {
        return print_json(&made);
    }
    let text = |name: &str| made.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    print(&format!(
        "{}\n\nThis is the key; it is not shown again. Its id is {}: `doolittle key revoke {}` takes it back.\n",
        terminal::line(&text("key")),
        terminal::line(&text("id")),
        terminal::line(&text("id")),
    ))
}

/// A moment, or how long from now: `30d`, `12h`, `45m`.
fn end(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let bad = || {
        Failure::new(
            Exit::Usage,
            format!("--expires takes a time such as 2027-01-31T12:00:00Z or a span such as 30d, 12h or 45m, not {text}"),
        )
    };
    let span = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let minutes = match unit {
            "d" => 24 * 60,
            "h" => 60,
            "m" => 1,
            _ => return None,
        };
        let number: i64 = number.parse().ok().filter(|number| (1..=1_000_000).contains(number))?;
        Some(now.plus_millis(number * minutes * 60_000))
    };
    span().or_else(|| Timestamp::parse(text)).ok_or_else(bad)
}

fn listing(answer: &Value) -> String {
    let keys = answer.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if keys.is_empty() {
        return "There are no keys; `doolittle key create` makes one.\n".to_owned();
    }
    let text = |key: &Value, name: &str| key.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let list = |key: &Value, name: &str| {
        let entries = key.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        Some(entries.collect::<Vec<_>>().join(",")).filter(|list| !list.is_empty()).unwrap_or_else(|| "-".to_owned())
    };
    let row = |key: &Value| {
        let over = key.get("expired").and_then(Value::as_bool).unwrap_or_default();
        let expires = if over { format!("{} (over)", text(key, "expiresAt")) } else { text(key, "expiresAt") };
        vec![
            text(key, "id"),
            text(key, "name"),
            text(key, "tenant"),
            list(key, "scopes"),
            list(key, "servers"),
            expires,
            text(key, "lastUsedAt"),
        ]
    };
    let heading = ["ID", "NAME", "TENANT", "SCOPES", "SERVERS", "EXPIRES", "LAST USED"];
    terminal::table(&heading, &keys.iter().map(row).collect::<Vec<_>>())
}

/// The one key that is meant: by its id, or a beginning of it that no other has. After the key is gone, a short one would mean another.
fn one(answer: &Value, wanted: &str) -> Result<String, Failure> {
    let ids = answer.get("keys").and_then(Value::as_array).into_iter().flatten().filter_map(|key| key.get("id")?.as_str());
    let wanted = wanted.trim().to_lowercase();
    let mut fitting = ids.filter(|id| wanted.len() >= DIGITS && id.starts_with(&wanted));
    match (fitting.next(), fitting.next()) {
        (Some(id), None) => Ok(id.to_owned()),
        (None, _) => Err(Failure::new(
            Exit::Failure,
            format!("no key has the id {wanted}, or one of which these are eight digits or more; `doolittle key list` shows them"),
        )),
        (Some(_), Some(_)) => Err(Failure::new(Exit::Failure, format!("more than one key's id begins with {wanted}; give more of it"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_at_a_time_or_after_a_span() {
        let now = Timestamp::from_millis(0);
        for (text, millis) in [("1m", 60_000), ("12h", 43_200_000), ("30d", 2_592_000_000), ("1970-01-02T00:00:00Z", 86_400_000)] {
            assert_eq!(end(text, now).unwrap().millis(), millis, "{text}");
        }
        for bad in ["", "d", "0d", "-1d", "1w", "9999999d", "soon", "é"] {
            assert!(end(bad, now).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn keys_are_listed_and_found_by_the_beginning_of_their_ids() {
        let answer = json!({"keys": [
            {"id": "aa110000-11", "name": "shop", "tenant": "shop", "scopes": ["agents:read"], "servers": [], "expired": false},
            {"id": "aa110000-22", "name": "ci", "tenant": "ci", "scopes": ["a", "b"], "servers": ["s"], "expiresAt": "then", "expired": true},
        ]});
        let shown = listing(&answer);
        assert!(shown.contains("agents:read") && shown.contains("then (over)") && shown.contains("a,b"), "{shown}");
        assert_eq!(one(&answer, "AA110000-2").unwrap(), "aa110000-22");
        for bad in ["aa110000", "aa11", "b", ""] {
            assert!(one(&answer, bad).is_err(), "{bad:?}");
        }
    }
}

//! Attacks that agent servers are known to have fallen to, each tried for real on a whole server. `docs/security.md` numbers them.

mod files;
mod minds;
mod requests;
mod tenants;

use serde_json::json;
use testkit::caller::Caller;
use testkit::server::{KEY, TestServer};

use crate::support::text;

/// A server with an owner and two tenants that have nothing in common.
struct Estate {
    server: TestServer,
    owner: Caller,
    victim: Caller,
    attacker: Caller,
    attackers_key: String,
}

impl Estate {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let own = [("ELIZA_SERVER_AUTH_TOKEN", KEY)];
        let server = TestServer::with(&[&own, settings].concat()).await;
        let owner = server.key_holder();
        let victims_key = tenants_key(&owner, "victim").await;
        let attackers_key = tenants_key(&owner, "attacker").await;
        server.record().keep_secret(&victims_key);
        server.record().keep_secret(&attackers_key);
        let (victim, attacker) = (server.caller().with_key(&victims_key), server.caller().with_key(&attackers_key));
        Self { server, owner, victim, attacker, attackers_key }
    }
}

/// A key that lets a tenant of this name do whatever a tenant may.
async fn tenants_key(owner: &Caller, name: &str) -> String {
    let scopes = ["agents:read", "agents:write", "messages:read", "messages:write", "memories:read", "memories:write", "system:read"];
    text(&owner.post("/api/keys", &json!({"name": name, "scopes": scopes})).await.data(201)["key"])
}

/// The names in the last column of the table of `docs/security.md`, by the number of their class.
fn documented() -> Vec<(usize, Vec<&'static str>)> {
    let table = include_str!("../../../../../docs/security.md").lines().filter(|line| line.starts_with("| "));
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let number = cells.first()?.parse().ok()?;
        Some((number, cells.last()?.split('`').skip(1).step_by(2).collect()))
    };
    table.filter_map(row).collect()
}

#[test]
fn every_class_of_attack_has_a_test_here() {
    let sources = [include_str!("files.rs"), include_str!("minds.rs"), include_str!("requests.rs"), include_str!("tenants.rs")].concat();
    let documented = documented();
    assert_eq!(documented.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (1..=22).collect::<Vec<_>>());
    for (number, names) in documented {
        assert!(!names.is_empty(), "class {number} names no test");
        for name in names {
            let written = sources.split(&format!("/// Class {number}:")).skip(1).any(|rest| {
                let (doc, rest) = rest.split_once("async fn ").unwrap_or_default();
                doc.contains("#[tokio::test") && rest.starts_with(&format!("{name}("))
            });
            assert!(written, "class {number} has no test {name}");
        }
    }
}

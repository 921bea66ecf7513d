use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use auth::SecretVault;
use core_types::character::TemplateEngine;
use core_types::{Secret, StoreResult, Timestamp};
use serde_json::json;
use testkit::clock::FixedClock;

use super::*;
use crate::moving::MovingIn;

const AGENT: &str = "5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c";
const ROOM: &str = "463831e6-22cb-0725-a7a5-af2b08693a0e";

/// A database of these rows.
#[derive(Default)]
struct Rows {
    tables: Vec<(String, u64)>,
    of: HashMap<ElizaOsRows, Vec<Value>>,
    current: Vec<Value>,
}

#[async_trait]
impl ElizaOsDatabase for Rows {
    async fn tables(&mut self) -> StoreResult<Vec<(String, u64)>> {
        Ok(self.tables.clone())
    }

    async fn read(&mut self, rows: ElizaOsRows) -> StoreResult<()> {
        self.current = self.of.remove(&rows).unwrap_or_default();
        Ok(())
    }

    async fn next(&mut self, limit: u32) -> StoreResult<Vec<JsonObject>> {
        let count = self.current.len().min(limit as usize);
        Ok(self.current.drain(..count).filter_map(|row| row.as_object().cloned()).collect())
    }
}

/// A database of elizaOS has no templates.
struct NoTemplates;

impl TemplateEngine for NoTemplates {
    fn check(&self, template: &str) -> Result<(), String> {
        Err(format!("{template} is there"))
    }
}

fn agent(columns: &Value) -> Value {
    let mut row = json!({"id": AGENT, "name": "Ada", "bio": ["b"], "created_at": "2026-11-26T14:50:47+00:00",
        "updated_at": "2026-11-26T14:50:47+00:00", "enabled": true, "settings": {}, "server_id": null});
    row.as_object_mut().unwrap().extend(columns.as_object().unwrap().clone());
    row
}

async fn looked_at(mut rows: Rows) -> MovingIn {
    let vault = Arc::new(SecretVault::with_key([1; 32]).and_opens_with(&Secret::new("salt")));
    let mut moving =
        MovingIn::new(None, vault, Arc::new(FixedClock(Timestamp::from_millis(1))), Arc::new(NoTemplates), Arc::new(|_, _| {}));
    moving.elizaos(&mut rows).await.unwrap();
    moving
}

fn notes(moving: &MovingIn) -> String {
    moving.report().notes().map(|(note, count)| format!("{count} {note}")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn what_is_not_understood_of_an_agent_is_left_out_and_told() {
    let sealed = "000102030405060708090a0b0c0d0e0f:630af98c23a0ea9b51e90ccee7b4850e";
    let locked = "00112233445566778899aabbccddeeff:e1c25af1b1178b1000e584aa0b424dfa";
    let settings = json!({"secrets": {"A": sealed, "B": locked, "PATH": "/bin", "npm_x": "1", "C": "plain"}});
    let rows = vec![
        agent(&json!({"settings": settings, "topics": [1], "novelty": 7})),
        agent(&json!({"id": ROOM, "name": ""})),
        agent(&json!({"id": "seven"})),
    ];
    let moving = looked_at(Rows { of: HashMap::from([(ElizaOsRows::Agents, rows)]), ..Rows::default() }).await;
    let (agents, secrets) = (moving.report().of(Kind::Agents), moving.report().of(Kind::Secrets));
    assert_eq!((agents.found, agents.refused, secrets.found, secrets.refused), (1, 2, 2, 1));
    let told = notes(&moving);
    for expected in [
        "Ada: the secret `B` is encrypted under a SECRET_SALT that is not known here",
        "left out of it: PATH, npm_x",
        "agents: the column `novelty` is not known",
        "Ada: topics",
        "agents: `id` is not what it should be; left out",
        "name: must not be empty",
    ] {
        assert!(told.contains(expected), "{expected} is not in\n{told}");
    }
    assert!(!told.contains("server_id") && !told.contains("/bin"), "{told}");
}

#[tokio::test]
async fn an_agent_that_is_larger_than_agents_may_be_is_left_behind_and_named() {
    let large = json!({"settings": {"text": "x".repeat(2 << 20), "secrets": {"A": "plain"}}});
    let rows = vec![agent(&large), agent(&json!({"id": ROOM, "name": "Grace"}))];
    let moving = looked_at(Rows { of: HashMap::from([(ElizaOsRows::Agents, rows)]), ..Rows::default() }).await;
    let (agents, secrets) = (moving.report().of(Kind::Agents), moving.report().of(Kind::Secrets));
    assert_eq!((agents.found, agents.refused, secrets.found), (1, 1, 0));
    let told = notes(&moving);
    assert!(told.contains("1 Ada: character: must have at most 2097152 bytes as JSON"), "{told}");
}

#[tokio::test]
async fn a_row_that_is_larger_than_what_may_move_in_is_left_out_and_told() {
    let at = "2026-11-26T14:50:47";
    let memory = |kind: &str| json!({"id": ROOM, "type": kind, "agent_id": AGENT, "content": {"text": "hi"}, "created_at": at});
    let of = HashMap::from([(ElizaOsRows::Memories, vec![memory("facts"), memory(&"x".repeat(100_000))])]);
    let moving = looked_at(Rows { of, ..Rows::default() }).await;
    let memories = moving.report().of(Kind::Memories);
    assert_eq!((memories.found, memories.refused), (1, 1));
    let told = notes(&moving);
    assert!(told.contains("memories: `table` has more than 256 characters; left out"), "{told}");
}

#[tokio::test]
async fn tables_that_stay_behind_are_named_with_their_reasons() {
    let tables = [("logs", 7), ("goals", 2), ("cache", 0), ("memories", 5)].map(|(name, rows)| (name.to_owned(), rows)).to_vec();
    let told = notes(&looked_at(Rows { tables, ..Rows::default() }).await);
    assert_eq!(told, "2 goals: this table is not known, and its rows were left out\n7 logs: logs do not move");
}

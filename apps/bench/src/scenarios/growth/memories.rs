//! Memories of one agent.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use core_types::memory::{MESSAGES, Memory, Origin};
use core_types::{AgentId, EntityId, JsonObject, MemoryId, RoomId, Timestamp};
use persistence::Options;
use rusqlite::Connection;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{REQUESTS, Record, Shape};
use crate::api::Api;
use crate::cli::Common;
use crate::failure::{During, Failure, Outcome, say};
use crate::limits::sqlite::DATABASE;
use crate::load::Expected;
use crate::scenarios::recall::{Chance, NoIds};
use crate::scenarios::round_trip::{self, REPLIED};
use crate::target::{Place, Target};

/// Memories that are stored at once.
const GROUP: u32 = 1_000;
/// Words of a memory, and how many words there are.
const LENGTH: u32 = 12;
const WORDS: u64 = 5_000;
/// The number of a word that one memory in forty has.
const EVERYDAY: u64 = 10;
/// Among so many memories some have it.
const FEW: u32 = 1_000;
/// How long the vectors of what was said may take, and how often it is asked whether they are there.
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(200);

pub(super) fn measure(common: &Common, sizes: &[u32], record: &mut Record) -> Outcome<()> {
    let target = Target::started(common, Place::new(common)?, true)?;
    let agent = Api::open(&target)?.running_agent()?;
    let id = AgentId::new(Uuid::parse_str(&agent).during("reading the id of an agent")?);
    let mut place = target.stop()?;
    let mut there = 0;
    for size in sizes {
        fill(&place.path().join(DATABASE), id, there..*size)?;
        there = *size;
        let target = Target::started(common, place, true)?;
        one_size(&target, &agent, *size, record)?;
        record.resident = target.resident();
        place = target.stop()?;
    }
    Ok(())
}

fn one_size(target: &Target, agent: &str, size: u32, record: &mut Record) -> Outcome<()> {
    let lanes = round_trip::lanes(target, 1)?;
    let talk: Vec<Vec<u8>> = lanes.iter().flat_map(|lane| lane.requests.iter().cycle().take(REQUESTS)).cloned().collect();
    record.ask(target, ("a reply", Shape::Flat, size), &talk, REPLIED)?;
    // What was said has vectors from now on at every size, so that every search asks the embedding model, where there is one.
    embedded(target, agent)?;
    let found = Expected { status: 200, contains: "\"memories\":[{" };
    let list = target.request("GET", &format!("/api/memory/agents/{agent}/memories?limit=50"), None);
    record.ask(target, ("the newest page", Shape::Flat, size), &[list], found)?;
    let search = |query: &str| {
        let body = json!({ "query": query, "limit": 10 });
        target.request("POST", &format!("/api/memory/agents/{agent}/search"), Some(&body))
    };
    let rare: Vec<Vec<u8>> = (0..size.min(100)).map(|number| search(&own_word(number))).collect();
    record.ask(target, ("a search for a word of one memory", Shape::Flat, size), &rare, found)?;
    // Among few it may be nobody's.
    let some = if size < FEW { Expected { status: 200, contains: "" } } else { found };
    let everyday = search(&word(EVERYDAY));
    record.ask(target, ("a search for an everyday word", Shape::Sorting, size), &[everyday], some)
}

/// Waits until no memory wants a vector.
fn embedded(target: &Target, agent: &str) -> Outcome<()> {
    let mut api = Api::open(target)?;
    let path = format!("/api/memory/agents/{agent}/embeddings");
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if api.call("GET", &path, None)?.pointer("/data/pending").and_then(Value::as_u64) == Some(0) {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
    Err(Failure::new(format!("the vectors of what was said were not made within {} s", PATIENCE.as_secs())))
}

/// A made-up word.
fn word(number: u64) -> String {
    let syllables = ["ka", "lo", "mi", "nu", "pe", "ra", "so", "ti", "vu", "ze", "da", "fo", "gi", "bu", "he", "ja", "wo", "xi"];
    let mut rest = number + 400;
    let mut word = String::new();
    while rest > 0 {
        let place = usize::try_from(rest % 18).unwrap_or_default();
        word.push_str(syllables.get(place).copied().unwrap_or_default());
        rest /= 18;
    }
    word
}

/// A word that one memory alone has.
fn own_word(number: u32) -> String {
    format!("q{number}")
}

/// What one says: few words often and most seldom.
fn text(number: u32) -> String {
    let mut chance = Chance(number.into());
    let words = (0..LENGTH).map(|_| {
        let even = chance.next() >> 32;
        word((((even * even) >> 32) * WORDS) >> 32)
    });
    words.chain([own_word(number)]).collect::<Vec<_>>().join(" ")
}

/// Stores memories by the server's own means.
fn fill(database: &Path, agent: AgentId, numbers: std::ops::Range<u32>) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.during("starting the asynchronous runtime")?;
    let target = persistence::Target::Sqlite(database.to_path_buf());
    runtime.block_on(async {
        let store = persistence::open(&target, Options::default(), Arc::new(NoIds)).await.during("opening the database")?;
        let mut first = numbers.start;
        while first < numbers.end {
            let last = numbers.end.min(first + GROUP);
            let group = (first..last).map(|number| memory(agent, number)).collect();
            store.memories().add(group).await.during("storing memories")?;
            if last.is_multiple_of(100_000) {
                say(format!("{last} memories are stored"));
            }
            first = last;
        }
        store.close().await;
        Ok::<_, Failure>(())
    })?;
    // Looking for words is measured here: no vectors are made of so many.
    let connection = Connection::open(database).during("opening the database")?;
    connection.execute("UPDATE memories SET embedded = 1 WHERE NOT embedded", []).during("marking the memories")?;
    connection.close().map_err(|(_, error)| error).during("closing the database")
}

fn memory(agent: AgentId, number: u32) -> Memory {
    Memory {
        id: MemoryId::new(Uuid::from_u64_pair(0x6772_6f77_7468, number.into())),
        agent_id: agent,
        table: MESSAGES.to_owned(),
        room_id: RoomId::new(Uuid::from_u64_pair(0x726f_6f6d, (number % 100).into())),
        world_id: None,
        entity_id: EntityId::new(Uuid::from_u64_pair(0x7065_6f70_6c65, (number % 100).into())),
        content: JsonObject::from_iter([("text".to_owned(), json!(text(number)))]),
        metadata: JsonObject::new(),
        unique: true,
        created_at: Timestamp::from_millis(1_700_000_000_000 + i64::from(number)),
        origin: Origin::default(),
        document_id: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn words_differ_and_some_are_frequent() {
        assert_eq!((0..WORDS).map(word).collect::<BTreeSet<_>>().len() as u64, WORDS);
        let with = (0..2_000).filter(|number| text(*number).split(' ').any(|one| one == word(EVERYDAY))).count();
        assert!((20..200).contains(&with), "{with} of 2,000");
        assert!((0..FEW).any(|number| text(number).split(' ').any(|one| one == word(EVERYDAY))));
        assert!(text(7).ends_with(" q7"));
    }
}

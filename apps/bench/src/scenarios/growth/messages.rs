//! Messages in one channel.

use std::path::Path;

use rusqlite::{Connection, params};
use serde_json::json;
use uuid::Uuid;

use super::{Record, Shape};
use crate::api::Api;
use crate::cli::Common;
use crate::failure::{During, Outcome, say};
use crate::limits::sqlite::{ADD_EVENT, ADD_MESSAGE, DATABASE};
use crate::load::Expected;
use crate::posts::{self, User};
use crate::target::{Place, Target};

/// Rows in a transaction of the filling.
const GROUP: i64 = 10_000;
/// Pages that are read from the middle, each another one.
const PAGES: i64 = 499;

pub(super) fn measure(common: &Common, sizes: &[u32], record: &mut Record) -> Outcome<()> {
    let target = Target::started(common, Place::new(common)?, true)?;
    let author = User(0);
    let channel = Api::open(&target)?.channel("Bench growth", "GROUP", &[&author.to_string()])?;
    let id = Uuid::parse_str(&channel).during("reading the id of a channel")?;
    let mut place = target.stop()?;
    for size in sizes {
        let times = fill(&place.path().join(DATABASE), id, author, (*size).into()).during("filling the channel")?;
        say(format!("{size} messages are in the channel"));
        let target = Target::started(common, place, true)?;
        one_size(&target, &channel, author, (*size, times), record)?;
        record.resident = target.resident();
        place = target.stop()?;
    }
    Ok(())
}

fn one_size(target: &Target, channel: &str, author: User, (size, (first, last)): (u32, (i64, i64)), record: &mut Record) -> Outcome<()> {
    let page = Expected { status: 200, contains: "\"messages\":[{" };
    let path = format!("/api/messaging/central-channels/{channel}/messages?limit=50");
    record.ask(target, ("the newest page", Shape::Flat, size), &[target.request("GET", &path, None)], page)?;
    // There is one before it, also among few.
    let middle = |place: i64| (first + (last - first) / 4 + (last - first) * place / (2 * PAGES)).max(first + 1);
    let pages: Vec<Vec<u8>> =
        (0..PAGES).map(|place| target.request("GET", &format!("{path}&before={}", middle(place * 211 % PAGES)), None)).collect();
    record.ask(target, ("a page in the middle", Shape::Flat, size), &pages, page)?;
    let search = |word: &str| {
        let body = json!({ "query": word, "channel_id": channel, "limit": 50 });
        [target.request("POST", "/api/messaging/messages/search", Some(&body))]
    };
    record.ask(target, ("a search for what is there", Shape::Flat, size), &search("exam"), page)?;
    let nothing = Expected { status: 200, contains: "\"messages\":[]" };
    record.ask(target, ("a search for what is not there", Shape::Sorting, size), &search("bicycle"), nothing)?;
    let posts: Vec<Vec<u8>> = (0..posts::TEXTS.len())
        .map(|number| target.request("POST", "/api/messaging/submit", Some(&posts::submit(channel, author, posts::text(number)))))
        .collect();
    record.ask(target, ("posting one", Shape::Flat, size), &posts, Expected { status: 201, contains: "" })
}

/// Writes the rows of the messages that are missing, as submits do; returns the times of the first and the last.
fn fill(database: &Path, channel: Uuid, author: User, size: i64) -> rusqlite::Result<(i64, i64)> {
    let mut connection = Connection::open(database)?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -65536")?;
    let id = *channel.as_bytes();
    let there: i64 = connection.query_row("SELECT count(*) FROM messages WHERE channel_id = ?1", [id], |row| row.get(0))?;
    let (mut seq, mut at): (i64, i64) =
        connection.query_row("SELECT last_seq, max(last_message_at, created_at) FROM channels WHERE id = ?1", [id], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let author = *Uuid::parse_str(&author.to_string()).unwrap_or_default().as_bytes();
    let metadata = posts::metadata().to_string();
    let mut left = size - there;
    while left > 0 {
        let transaction = connection.transaction()?;
        {
            let (mut message, mut event) = (transaction.prepare(ADD_MESSAGE)?, transaction.prepare(ADD_EVENT)?);
            for _ in 0..left.min(GROUP) {
                (seq, at, left) = (seq + 1, at + 1, left - 1);
                let text = posts::text(usize::try_from(seq).unwrap_or_default());
                let of = *Uuid::from_u64_pair(at.unsigned_abs() << 16 | 0x7000, seq.unsigned_abs() | 1 << 63).as_bytes();
                let raw = posts::raw(text).to_string();
                message.execute(params![of, id, author, posts::NAME, text, raw, posts::SOURCE, metadata, seq, at])?;
                event.execute(params![id, seq, of, at])?;
            }
        }
        transaction.execute("UPDATE channels SET last_seq = ?2, last_message_at = ?3 WHERE id = ?1", params![id, seq, at])?;
        transaction.commit()?;
    }
    let ends = "SELECT min(created_at), max(created_at) FROM messages WHERE channel_id = ?1";
    let times = connection.query_row(ends, [id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(times)
}

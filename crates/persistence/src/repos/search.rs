//! Searching messages by their words. The newest are looked at first, and only so many of them. Sizes are looked at before texts, so that
//! few of these are in memory at once, however long they are.

use std::cmp::Reverse;
use std::collections::HashMap;

use core_types::Timestamp;
use core_types::messaging::{FoundMessages, Message, MessageSearch, PAGE_BYTES, SEARCHED, SEARCHED_BYTES};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::access::{Sight, channels_within, sees_channel};
use super::columns::{Id, time};
use super::memories::within;
use super::messages::MessageRow;
use super::schema::{channel_participants, channels, messages};
use super::{Conn, RunQueryDsl, queue};
use crate::error::Fault;

/// Messages whose sizes are looked at with one query.
const STEP: u32 = 2_000;
/// Channels asked for with one query: SQLite takes about three times as many values.
const CHANNELS: usize = 10_000;

/// What is looked at of a message.
#[derive(Queryable, Selectable)]
#[diesel(table_name = messages)]
struct Candidate {
    ordinal: i64,
    id: Id,
    author_id: Id,
    content: String,
    created_at: i64,
}

/// When a message was said, and where; no two have both in common.
type Place = (i64, Id);

/// A message that is still to be looked at, by its ordinal, and its bytes.
type Mark = (i64, i64);

fn bytes() -> SqlLiteral<BigInt> {
    sql(queue::MESSAGE_BYTES)
}

/// A search, made ready.
struct Wanted {
    words: Vec<String>,
    author: Option<Id>,
    from: i64,
    to: i64,
}

impl Wanted {
    fn fits(&self, candidate: &Candidate) -> bool {
        let in_time = (self.from..=self.to).contains(&candidate.created_at);
        in_time && self.author.is_none_or(|author| author == candidate.author_id) && {
            let text = candidate.content.to_lowercase();
            self.words.iter().all(|word| text.contains(word.as_str()))
        }
    }
}

work! {
    pub(super) fn search(conn: &mut Conn, sight: Option<Sight>, search: MessageSearch) -> Result<FoundMessages, Fault> {
        let wanted = Wanted {
            words: search.words.iter().map(|word| word.to_lowercase()).collect(),
            author: search.author.map(Id::from),
            from: search.from.map_or(i64::MIN, Timestamp::millis),
            to: search.to.map_or(i64::MAX, Timestamp::millis),
        };
        let channel = search.channel.map(Id::from);
        let places = match (&sight, channel) {
            (Some(sight), Some(channel)) if !run!(sees_channel(conn, sight, channel))? => Some(Vec::new()),
            (Some(sight), None) => Some(run!(newest(conn, sight, &wanted))?),
            _ => None,
        };
        let mut steps = places.as_ref().map(|places| places.chunks(STEP as usize));
        let enough = u64::from(search.offset) + u64::from(search.limit);
        let mut hits: Vec<Id> = Vec::new();
        let (mut looked_at, mut weight, mut searched_to, mut before) = (0, 0_u64, None, None);
        let (mut marks, mut is_last): (Vec<Mark>, bool) = (Vec::new(), false);
        while (hits.len() as u64) < enough {
            if marks.is_empty() && !is_last {
                marks = match &mut steps {
                    Some(steps) => run!(said_at(conn, steps.next().unwrap_or_default()))?,
                    None => run!(said_before(conn, channel, &wanted, before))?,
                };
                is_last = marks.len() < STEP as usize;
            }
            let count = within(marks.iter().map(|(_, bytes)| *bytes), PAGE_BYTES);
            let some: Vec<Mark> = marks.drain(..count).collect();
            let step = run!(candidates(conn, &some))?;
            let Some(last) = step.last() else { break };
            before = Some((last.ordinal, last.created_at));
            looked_at += u32::try_from(step.len()).unwrap_or(u32::MAX);
            weight += some.iter().map(|(_, bytes)| bytes.unsigned_abs()).sum::<u64>();
            let oldest = time(last.created_at);
            hits.extend(step.iter().filter(|candidate| wanted.fits(candidate)).map(|candidate| candidate.id));
            if is_last && marks.is_empty() {
                break;
            }
            if looked_at >= SEARCHED || weight >= SEARCHED_BYTES {
                searched_to = ((hits.len() as u64) < enough).then_some(oldest);
                break;
            }
        }
        let mut ids: Vec<Id> = hits.into_iter().skip(search.offset as usize).take(search.limit as usize).collect();
        // Those of all are in the order of insertion, in which no time says how far it is.
        let shown = if places.is_some() || channel.is_some() { run!(fitting(conn, &ids))? } else { ids.len() };
        let is_cut = shown < ids.len();
        ids.truncate(shown);
        let messages = run!(in_order(conn, ids))?;
        if is_cut {
            // Whoever goes on from here gets the rest.
            searched_to = messages.last().map(|message| message.created_at);
        }
        Ok(FoundMessages { messages, searched_to })
    }
}

work! {
    /// The places of the newest messages within reach, newest first: as many as are looked at. They are in the index of times, which alone
    /// is read; the messages themselves would all be read to be sorted.
    fn newest(conn: &mut Conn, sight: &Sight, wanted: &Wanted) -> QueryResult<Vec<Place>> {
        let seen: Vec<Id> = run!(channels::table.filter(channels_within!(sight)).select(channels::id).load(conn))?;
        let mut newest: Vec<Place> = Vec::new();
        for some in seen.chunks(CHANNELS) {
            let of_some = messages::table
                .filter(messages::channel_id.eq_any(some.to_vec()))
                .filter(messages::created_at.ge(wanted.from))
                .filter(messages::created_at.le(wanted.to))
                .order(messages::created_at.desc())
                .limit(SEARCHED.into())
                .select((messages::created_at, messages::channel_id));
            let of_some: Vec<Place> = run!(of_some.load(conn))?;
            newest.extend(of_some);
            newest.sort_unstable_by_key(|place| Reverse(*place));
            newest.truncate(SEARCHED as usize);
        }
        Ok(newest)
    }
}

work! {
    /// The messages at these places, which are all that there are between the first and the last.
    fn said_at(conn: &mut Conn, places: &[Place]) -> QueryResult<Vec<Mark>> {
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return Ok(Vec::new()) };
        let mut channels: Vec<Id> = places.iter().map(|(_, channel)| *channel).collect();
        channels.sort_unstable();
        channels.dedup();
        let between = messages::table
            .filter(messages::channel_id.eq_any(channels))
            .filter(messages::created_at.ge(last.0))
            .filter(messages::created_at.le(first.0))
            .order((messages::created_at.desc(), messages::channel_id.desc()))
            .select(((messages::created_at, messages::channel_id), (messages::ordinal, bytes())));
        let mut said: Vec<(Place, Mark)> = run!(between.load(conn))?;
        // What was said at the same time as the first or the last may be of another step.
        said.retain(|(place, _)| (*last..=*first).contains(place));
        Ok(said.into_iter().map(|(_, mark)| mark).collect())
    }
}

work! {
    /// The next messages to look at, newest first: of a channel by its index of times, else of all by the order of insertion.
    fn said_before(conn: &mut Conn, channel: Option<Id>, wanted: &Wanted, before: Option<(i64, i64)>) -> QueryResult<Vec<Mark>> {
        let some = messages::table.limit(STEP.into());
        let Some(channel) = channel else {
            let older = before.map_or(i64::MAX, |(ordinal, _)| ordinal);
            let of_all = some.filter(messages::ordinal.lt(older)).order(messages::ordinal.desc());
            return run!(of_all.select((messages::ordinal, bytes())).load(conn));
        };
        let older = before.map_or(wanted.to.saturating_add(1), |(_, created_at)| created_at);
        let in_time = messages::created_at.lt(older).and(messages::created_at.ge(wanted.from));
        let of_channel = some.filter(messages::channel_id.eq(channel)).filter(in_time).order(messages::created_at.desc());
        run!(of_channel.select((messages::ordinal, bytes())).load(conn))
    }
}

work! {
    /// What is looked at of these messages, in their order.
    fn candidates(conn: &mut Conn, marks: &[Mark]) -> QueryResult<Vec<Candidate>> {
        if marks.is_empty() {
            return Ok(Vec::new());
        }
        let ordinals: Vec<i64> = marks.iter().map(|(ordinal, _)| *ordinal).collect();
        let marked = messages::table.filter(messages::ordinal.eq_any(ordinals)).select(Candidate::as_select());
        let rows: Vec<Candidate> = run!(marked.load(conn))?;
        let mut rows: HashMap<i64, Candidate> = rows.into_iter().map(|candidate| (candidate.ordinal, candidate)).collect();
        Ok(marks.iter().filter_map(|(ordinal, _)| rows.remove(ordinal)).collect())
    }
}

work! {
    /// How many of the messages with these ids are a page, in this order: no more than [`PAGE_BYTES`], and one at least.
    fn fitting(conn: &mut Conn, ids: &[Id]) -> QueryResult<usize> {
        let fitting = messages::table.filter(messages::id.eq_any(ids.to_vec()));
        let sizes: Vec<(Id, i64)> = run!(fitting.select((messages::id, bytes())).load(conn))?;
        let sizes: HashMap<Id, i64> = sizes.into_iter().collect();
        Ok(within(ids.iter().map(|id| sizes.get(id).copied().unwrap_or_default()), PAGE_BYTES))
    }
}

work! {
    /// The messages with these ids, in this order.
    fn in_order(conn: &mut Conn, ids: Vec<Id>) -> Result<Vec<Message>, Fault> {
        let rows: Vec<(Id, MessageRow)> =
            run!(messages::table.filter(messages::id.eq_any(ids.clone())).select((messages::id, MessageRow::as_select())).load(conn))?;
        let mut rows: HashMap<Id, MessageRow> = rows.into_iter().collect();
        Ok(ids.iter().filter_map(|id| rows.remove(id)).map(Message::from).collect())
    }
}

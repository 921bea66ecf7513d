//! Searching messages by their words. The newest are looked at first, and only so many of them.

use std::collections::HashMap;

use core_types::Timestamp;
use core_types::messaging::{FoundMessages, Message, MessageSearch, SEARCHED};
use diesel::prelude::*;

use super::access::{Sight, channels_within};
use super::columns::{Id, time};
use super::messages::MessageRow;
use super::schema::{channel_participants, channels, messages};
use super::{Conn, RunQueryDsl};
use crate::error::Fault;

/// Messages looked at with one query.
const STEP: u32 = 2_000;

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
        let enough = u64::from(search.offset) + u64::from(search.limit);
        let mut hits: Vec<Id> = Vec::new();
        let (mut looked_at, mut searched_to, mut before) = (0, None, None);
        while (hits.len() as u64) < enough {
            let step = run!(candidates(conn, sight.as_ref(), search.channel.map(Id::from), &wanted, before))?;
            let Some(last) = step.last() else { break };
            before = Some((last.ordinal, last.created_at));
            looked_at += u32::try_from(step.len()).unwrap_or(u32::MAX);
            let is_last = step.len() < STEP as usize;
            let oldest = time(last.created_at);
            hits.extend(step.iter().filter(|candidate| wanted.fits(candidate)).map(|candidate| candidate.id));
            if is_last {
                break;
            }
            if looked_at >= SEARCHED {
                searched_to = Some(oldest);
                break;
            }
        }
        let ids: Vec<Id> = hits.into_iter().skip(search.offset as usize).take(search.limit as usize).collect();
        Ok(FoundMessages { messages: run!(in_order(conn, ids))?, searched_to })
    }
}

work! {
    /// The next messages to look at, newest first: of a channel by its index of times, else by the order of insertion.
    fn candidates(
        conn: &mut Conn, sight: Option<&Sight>, channel: Option<Id>, wanted: &Wanted, before: Option<(i64, i64)>,
    ) -> QueryResult<Vec<Candidate>> {
        let mut all = messages::table.select(Candidate::as_select()).limit(STEP.into()).into_boxed();
        if let Some(sight) = sight {
            all = all.filter(messages::channel_id.eq_any(channels::table.filter(channels_within!(sight)).select(channels::id)));
        }
        let Some(channel) = channel else {
            let older = before.map_or(i64::MAX, |(ordinal, _)| ordinal);
            return run!(all.filter(messages::ordinal.lt(older)).order(messages::ordinal.desc()).load(conn));
        };
        let older = before.map_or(wanted.to.saturating_add(1), |(_, created_at)| created_at);
        let in_time = messages::created_at.lt(older).and(messages::created_at.ge(wanted.from));
        run!(all.filter(messages::channel_id.eq(channel)).filter(in_time).order(messages::created_at.desc()).load(conn))
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

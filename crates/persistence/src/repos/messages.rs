//! Messages: posting, finding, listing.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::messaging::{
    Beside, ChannelAdded, ChannelEvent, ChannelVersion, EventBody, EventKind, FoundMessages, IdempotencyKey, Message, MessageChange,
    MessageDraft, MessagePage, MessagePlace, MessageRepository, MessageSearch, MessageWindow, PAGE_BYTES, PostMessage, PostOutcome, Posted,
    Wake,
};
use core_types::sessions::{Renewal, SessionChange, SessionChanged};
use core_types::{ChannelId, Ids, Json, MessageId, Reach, StoreResult, Timestamp};
use diesel::dsl::{exists, sql};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use diesel::sql_types::BigInt;
use serde_json::Value;

use super::access::{self, Sight};
use super::channels::{Place, Turn, add_channel, message_place};
use super::columns::{Id, Opaque, time};
use super::idempotency::{self, Claim};
use super::memories::within;
use super::prepared::fixed;
use super::schema::{agents, messages};
use super::writes::write;
use super::{Conn, Db, RunQueryDsl, channels, deliveries, edits, events, jobs, queue, search, sessions};
use crate::error::{Fault, Undo, settled};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = messages, treat_none_as_default_value = false)]
pub(super) struct MessageRow {
    id: Id,
    channel_id: Id,
    server_id: Id,
    author_id: Id,
    author_name: Option<String>,
    content: String,
    raw: Option<Opaque>,
    source_type: Option<String>,
    source_id: Option<String>,
    metadata: Opaque,
    in_reply_to: Option<Id>,
    seq: i64,
    created_at: i64,
    updated_at: i64,
}

impl MessageRow {
    fn new(draft: MessageDraft, place: &Place) -> Self {
        Self {
            id: draft.id.into(),
            channel_id: place.channel.id.into(),
            server_id: place.channel.server_id.into(),
            author_id: draft.author_id.into(),
            author_name: draft.author_name,
            content: draft.content,
            raw: draft.raw.map(Opaque),
            source_type: draft.source_type,
            source_id: draft.source_id,
            metadata: Opaque(draft.metadata),
            in_reply_to: draft.in_reply_to.map(Id::from),
            seq: place.seq,
            created_at: place.at,
            updated_at: place.at,
        }
    }

    /// The same for a message that changed since.
    pub(super) fn past(draft: MessageDraft, place: &Place, updated_at: i64) -> Self {
        let row = Self::new(draft, place);
        Self { updated_at: updated_at.max(row.created_at), ..row }
    }
}

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Self {
        Self {
            id: row.id.to(),
            channel_id: row.channel_id.to(),
            server_id: row.server_id.to(),
            author_id: row.author_id.to(),
            author_name: row.author_name,
            content: row.content,
            raw: row.raw.map(|Opaque(raw)| raw),
            source_type: row.source_type,
            source_id: row.source_id,
            metadata: row.metadata.0,
            in_reply_to: row.in_reply_to.map(Id::to),
            seq: row.seq,
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
        }
    }
}

/// A message that has its place and waits to be written.
pub(super) struct Entry {
    /// The message.
    pub(super) draft: MessageDraft,
    /// Its place.
    pub(super) place: Place,
    /// What finds its repeats, where its source names it for good.
    pub(super) source_key: Option<String>,
    /// Which agents hear of it.
    pub(super) wake: Wake,
    /// For whom they work then; `None` where that is the owner.
    pub(super) tenant: Option<String>,
    /// The present moment.
    pub(super) now: i64,
}

/// What became of an [`Entry`].
pub(super) enum Entered {
    /// It is written, with its event and deliveries.
    Stored(Posted),
    /// There is another message of this id; the transaction must be undone.
    IdTaken,
    /// An answer was required and no running agent listens; the transaction must be undone.
    NobodyListens,
}

work! {
    /// The message that is answered, if the channel has it; else the id is kept in the metadata. So what becomes of a
    /// message changes nothing in other channels.
    pub(super) fn answered(conn: &mut Conn, channel: Id, id: Option<MessageId>, metadata: &mut Json) -> QueryResult<Option<MessageId>> {
        let Some(id) = id else { return Ok(None) };
        let here = messages::table.find(Id::from(id)).filter(messages::channel_id.eq(channel));
        let known: bool = run!(diesel::select(exists(here)).get_result(conn))?;
        if !known {
            let mut object = metadata.to_object();
            object.entry("inReplyTo").or_insert_with(|| Value::String(id.to_string()));
            *metadata = object.into();
        }
        Ok(known.then_some(id))
    }
}

work! {
    /// Writes a message with its event and its deliveries. Posts and replies both come here.
    pub(super) fn enter(conn: &mut Conn, entry: Entry, ids: &dyn Ids) -> Result<Entered, Fault> {
        let Entry { mut draft, place, source_key, wake, tenant, now } = entry;
        draft.in_reply_to = run!(answered(conn, place.channel.id.into(), draft.in_reply_to, &mut draft.metadata))?;
        let row = MessageRow::new(draft, &place);
        let values = (&row, messages::source_key.eq(source_key));
        match run!(write(conn, fixed!(diesel::insert_into(messages::table).values(values)))) {
            Err(QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => return Ok(Entered::IdTaken),
            written => written?,
        }
        let event = events::EventRow {
            channel_id: row.channel_id,
            seq: row.seq,
            kind: EventKind::Message.to_string(),
            message_id: Some(row.id),
            payload: None,
            created_at: row.created_at,
        };
        run!(events::add(conn, &event))?;
        let message = Message::from(row);
        match run!(deliveries::deliver(conn, &message, &place, wake, tenant, now, ids))? {
            Some(deliveries) => Ok(Entered::Stored(Posted { message: Arc::new(message), deliveries, created_channel: false, renewal: None })),
            None => Ok(Entered::NobodyListens),
        }
    }
}

/// The first post of some idempotency keys.
enum First {
    /// The present one.
    This,
    /// One before, sent with the same body.
    Other(Posted),
    /// One before, sent with another body.
    Conflict,
    /// One before, in a channel that is out of reach by now.
    OutOfReach,
}

work! {
    /// Makes keys stand for a message, unless one of them stands for another; then the transaction must be undone.
    fn first_of(
        conn: &mut Conn, keys: &[IdempotencyKey], draft: &MessageDraft, beside: Option<Beside>, sight: Option<&Sight>, now: i64,
    ) -> Result<First, Fault> {
        let message = Id::from(draft.id);
        // Two posts that share keys take them in the same order, so that neither waits for the other.
        let mut sorted: Vec<&IdempotencyKey> = keys.iter().collect();
        sorted.sort_by_key(|key| (&key.caller, &key.route, &key.key));
        let mut known = Vec::new();
        for key in sorted {
            match run!(idempotency::claim(conn, key, message, now))? {
                Claim::Ours => {}
                Claim::OtherBody => return Ok(First::Conflict),
                Claim::Repeats(first) => known.push((key, first)),
            }
        }
        for (key, first) in known {
            if let Some(posted) = run!(posted(conn, first))? {
                let channel = posted.message.channel_id;
                // A job has its own channel each time.
                if channel == draft.channel_id || matches!(beside, Some(Beside::Job(_))) {
                    return Ok(match sight {
                        Some(sight) if !run!(access::sees_channel(conn, sight, channel.into()))? => First::OutOfReach,
                        _ => First::Other(posted),
                    });
                }
            }
            // The message was deleted since, if its id was not taken elsewhere: the present one takes its place.
            run!(idempotency::take_over(conn, key, message, now))?;
        }
        Ok(First::This)
    }
}

work! {
    fn post(conn: &mut Conn, post: PostMessage, ids: &dyn Ids) -> Result<PostOutcome, Undo<PostOutcome>> {
        let PostMessage {
            draft, id_is_chosen, create_channel, wake, author_may_be_agent, idempotency, beside, once_per_source, reach, full, now,
        } = post;
        let sight = reach.as_ref().map(Sight::from);
        let now = now.millis();
        match run!(first_of(conn, &idempotency, &draft, beside, sight.as_ref(), now))? {
            First::This => {}
            First::Other(posted) => return Err(Undo::Answer(PostOutcome::Repeated(posted))),
            First::Conflict => return Err(Undo::Answer(PostOutcome::Conflict)),
            First::OutOfReach => return Err(Undo::Answer(PostOutcome::NoChannel)),
        }
        if id_is_chosen && run!(deliveries::speaker(conn, draft.id))?.is_some() {
            return Err(Undo::Answer(PostOutcome::Conflict));
        }
        let channel_id = Id::from(draft.channel_id);
        let by_agent: bool = run!(diesel::select(exists(agents::table.find(Id::from(draft.author_id)))).get_result(conn))?;
        if by_agent && !author_may_be_agent {
            return Err(Undo::Answer(PostOutcome::AuthorIsAgent));
        }
        let turn = match (wake, by_agent) {
            (Wake::Nobody, _) => Turn::Nobody,
            (_, true) => Turn::Agent,
            (_, false) => Turn::Person,
        };
        let mut created_channel = false;
        let mut place = run!(message_place(conn, channel_id, turn, now))?;
        if place.is_none() {
            let Some((channel, participants)) = create_channel else { return Err(Undo::Answer(PostOutcome::NoChannel)) };
            if let Some(sight) = &sight
                && !run!(access::sees_server(conn, sight, channel.server_id.into()))?
            {
                return Err(Undo::Answer(PostOutcome::NoServer));
            }
            match run!(add_channel(conn, channel, participants))? {
                ChannelAdded::New(_) => created_channel = true,
                ChannelAdded::Existing(_) => {}
                ChannelAdded::WasAnothers => return Err(Undo::Answer(PostOutcome::ChannelWasAnothers)),
                ChannelAdded::NoServer => return Err(Undo::Answer(PostOutcome::NoServer)),
            }
            place = run!(message_place(conn, channel_id, turn, now))?;
        }
        let Some(place) = place else {
            return Err(Undo::Fault(Fault::Defect("the channel to create is not the channel of the message".to_owned())));
        };
        // Asked in here, where the channel is held: another may have made it meanwhile.
        if let Some(sight) = &sight
            && !run!(access::sees_channel(conn, sight, channel_id))?
        {
            return Err(Undo::Answer(PostOutcome::NoChannel));
        }
        let renewal = run!(renewed(conn, beside, channel_id, now))?;
        let source_key = if once_per_source { source_key(&draft, reach.as_ref()) } else { None };
        if let Some(key) = &source_key
            && let Some(first) = run!(of_source(conn, channel_id, key))?
            && let Some(first) = run!(posted(conn, first))?
        {
            return Err(Undo::Answer(PostOutcome::Repeated(first)));
        }
        if !full.is_empty() && wake != Wake::Nobody {
            let listeners = run!(queue::listeners(conn, &place.channel, draft.author_id.into()))?;
            if let Some(agent) = full.into_iter().find(|agent| listeners.contains(&Id::from(*agent))) {
                return Err(Undo::Answer(PostOutcome::AgentFull(agent)));
            }
        }
        let tenant = sight.map(|sight| sight.tenant);
        match run!(enter(conn, Entry { draft, place, source_key, wake, tenant, now }, ids))? {
            Entered::Stored(posted) => {
                run!(keep_job(conn, beside, &posted))?;
                Ok(PostOutcome::Posted(Posted { created_channel, renewal, ..posted }))
            }
            Entered::IdTaken => Err(Undo::Answer(PostOutcome::Conflict)),
            Entered::NobodyListens => Err(Undo::Answer(PostOutcome::NoAgent)),
        }
    }
}

work! {
    /// Notes in a session that something happened in it. The channel is locked, and so the session stays.
    fn renewed(
        conn: &mut Conn, beside: Option<Beside>, channel: Id, now: i64,
    ) -> Result<Option<Box<Renewal>>, Undo<PostOutcome>> {
        let Some(Beside::Session(id)) = beside else { return Ok(None) };
        match run!(sessions::change(conn, id.into(), Some(channel), SessionChange::Touch, now))? {
            SessionChanged::Done(renewal) => Ok(Some(Box::new(renewal))),
            SessionChanged::Over => Err(Undo::Answer(PostOutcome::SessionOver)),
            SessionChanged::Unknown => Err(Undo::Answer(PostOutcome::NoSession)),
        }
    }
}

work! {
    fn keep_job(conn: &mut Conn, beside: Option<Beside>, posted: &Posted) -> Result<(), Undo<PostOutcome>> {
        let Some(Beside::Job(draft)) = beside else { return Ok(()) };
        let Some(answers) = posted.deliveries.iter().find(|delivery| delivery.must_answer) else {
            return Err(Undo::Fault(Fault::Defect("nobody must answer the message of a job".to_owned())));
        };
        if run!(jobs::add(conn, draft, &posted.message, answers))? { Ok(()) } else { Err(Undo::Answer(PostOutcome::TooManyJobs)) }
    }
}

/// A source's ids are unique within a channel at best: chat platforms count messages per chat. Whoever else speaks there has sources of
/// its own, so that nobody takes the id of what another is going to bring.
fn source_key(draft: &MessageDraft, reach: Option<&Reach>) -> Option<String> {
    // What parts them is in none of them.
    let parted = |part: &str| part.replace('\n', "\u{1f}");
    let id = parted(draft.source_id.as_deref()?);
    let source = parted(draft.source_type.as_deref().unwrap_or_default());
    Some(match reach {
        None => format!("{source}\n{id}"),
        Some(Reach { tenant, person: None, .. }) => format!("{source}\n{id}\n{tenant}"),
        Some(Reach { tenant, person: Some(person), .. }) => format!("{source}\n{id}\n{tenant}\n{person}"),
    })
}

work! {
    fn of_source(conn: &mut Conn, channel: Id, key: &str) -> QueryResult<Option<Id>> {
        let query = messages::table.filter(messages::channel_id.eq(channel)).filter(messages::source_key.eq(key)).select(messages::id);
        run!(query.first(conn)).optional()
    }
}

work! {
    fn posted(conn: &mut Conn, id: Id) -> Result<Option<Posted>, Fault> {
        let Some(message) = run!(find(conn, id))? else { return Ok(None) };
        let deliveries = run!(deliveries::of_message(conn, &message))?;
        Ok(Some(Posted { message: Arc::new(message), deliveries, created_channel: false, renewal: None }))
    }
}

work! {
    pub(super) fn find(conn: &mut Conn, id: Id) -> Result<Option<Message>, Fault> {
        let row = run!(messages::table.find(id).select(MessageRow::as_select()).first(conn)).optional()?;
        Ok(row.map(Message::from))
    }
}

/// When the last message was posted that fits in a page of so many bytes, of messages with their sizes in the order of the page;
/// the first fits always. `None` where there are none.
fn last_within(sizes: &[(i64, i64)], most: usize) -> Option<i64> {
    let last = within(sizes.iter().map(|(_, bytes)| *bytes), most).checked_sub(1)?;
    sizes.get(last).map(|(at, _)| *at)
}

work! {
    /// Those of these messages that there are, in any order.
    pub(super) fn find_all(conn: &mut Conn, ids: Vec<Id>) -> Result<Vec<Message>, Fault> {
        let rows: Vec<MessageRow> = run!(messages::table.filter(messages::id.eq_any(ids)).select(MessageRow::as_select()).load(conn))?;
        Ok(rows.into_iter().map(Message::from).collect())
    }
}

work! {
    fn window(conn: &mut Conn, channel: Id, window: MessageWindow) -> Result<Vec<Message>, Fault> {
        let MessageWindow { after, before, limit } = window;
        let within = messages::table
            .filter(messages::channel_id.eq(channel))
            .filter(messages::created_at.gt(after.map_or(i64::MIN, Timestamp::millis)))
            .filter(messages::created_at.lt(before.map_or(i64::MAX, Timestamp::millis)))
            .limit(limit.into())
            .select(MessageRow::as_select());
        let rows: Vec<MessageRow> = if after.is_some() && before.is_none() {
            let mut oldest: Vec<MessageRow> = run!(within.order(messages::created_at).load(conn))?;
            oldest.reverse();
            oldest
        } else {
            run!(within.order(messages::created_at.desc()).load(conn))?
        };
        Ok(rows.into_iter().map(Message::from).collect())
    }
}

work! {
    /// The sizes are looked at first, which neither database needs the texts for, so that no more is read than is in the page.
    fn list(conn: &mut Conn, channel: Id, before: i64, limit: u32) -> Result<Vec<Message>, Fault> {
        let sizes: Vec<(i64, i64)> = run!(
            messages::table
                .filter(messages::channel_id.eq(channel))
                .filter(messages::created_at.lt(before))
                .order(messages::created_at.desc())
                .limit(limit.into())
                .select((messages::created_at, sql::<BigInt>(queue::MESSAGE_BYTES)))
                .load(conn)
        )?;
        let Some(last) = last_within(&sizes, PAGE_BYTES) else { return Ok(Vec::new()) };
        let rows: Vec<MessageRow> = run!(
            messages::table
                .filter(messages::channel_id.eq(channel))
                .filter(messages::created_at.ge(last))
                .filter(messages::created_at.lt(before))
                .order(messages::created_at.desc())
                .limit(limit.into())
                .select(MessageRow::as_select())
                .load(conn)
        )?;
        Ok(rows.into_iter().map(Message::from).collect())
    }
}

work! {
    /// The version is read first: what is written between the two is then in the page, and the next reader sees a newer
    /// version.
    fn page(conn: &mut Conn, channel: Id, before: i64, limit: u32, known: Option<ChannelVersion>) -> Result<MessagePage, Fault> {
        let version = run!(channels::version(conn, channel))?;
        if known.is_some() && known == version {
            return Ok(MessagePage::Known);
        }
        Ok(MessagePage::Read(version, run!(list(conn, channel, before, limit))?))
    }
}

#[async_trait]
impl MessageRepository for Db {
    async fn post(&self, post_message: PostMessage) -> StoreResult<PostOutcome> {
        let ids = Arc::clone(&self.ids);
        settled(in_tx!(self, |conn| post(conn, post_message, &*ids)))
    }

    async fn find(&self, id: MessageId) -> StoreResult<Option<Message>> {
        Ok(in_read!(self, |conn| find(conn, id.into()))?)
    }

    async fn page(
        &self,
        channel: ChannelId,
        before: Option<Timestamp>,
        limit: u32,
        known: Option<ChannelVersion>,
    ) -> StoreResult<MessagePage> {
        let before = before.map_or(i64::MAX, Timestamp::millis);
        Ok(in_read!(self, |conn| page(conn, channel.into(), before, limit, known))?)
    }

    async fn window(&self, channel: ChannelId, wanted: MessageWindow) -> StoreResult<Vec<Message>> {
        Ok(in_read!(self, |conn| window(conn, channel.into(), wanted))?)
    }

    async fn search(&self, reach: Option<&Reach>, search: MessageSearch) -> StoreResult<FoundMessages> {
        let sight = reach.map(Sight::from);
        Ok(in_snapshot!(self, |conn| search::search(conn, sight, search))?)
    }

    async fn update(
        &self,
        message: MessagePlace,
        change: MessageChange,
        now: Timestamp,
    ) -> StoreResult<Option<(Arc<Message>, ChannelEvent)>> {
        Ok(in_tx!(self, |conn| edits::update(conn, message, change, now.millis()))?)
    }

    async fn remove(&self, message: MessagePlace, now: Timestamp) -> StoreResult<Vec<ChannelEvent>> {
        Ok(in_tx!(self, |conn| edits::remove(conn, message, now.millis()))?)
    }

    async fn clear(&self, channel: ChannelId, now: Timestamp) -> StoreResult<Vec<ChannelEvent>> {
        let announced = self.thin_conversation(channel.into(), now.millis()).await?;
        let told = in_tx!(self, |conn| edits::clear(conn, channel.into(), now.millis()))?;
        Ok(announced.into_iter().chain(told).collect())
    }

    async fn announce(&self, channel: ChannelId, body: EventBody, now: Timestamp) -> StoreResult<Option<ChannelEvent>> {
        Ok(in_tx!(self, |conn| events::announce(conn, channel.into(), body, now.millis()))?)
    }

    async fn events(&self, channel: ChannelId, after: i64, limit: u32) -> StoreResult<Vec<ChannelEvent>> {
        Ok(in_snapshot!(self, |conn| events::after(conn, channel.into(), after, limit))?)
    }

    async fn last_seq(&self, channel: ChannelId) -> StoreResult<Option<i64>> {
        Ok(in_read!(self, |conn| events::last_seq(conn, channel.into()))?)
    }

    async fn events_beyond(&self, keep: u32) -> StoreResult<Option<Timestamp>> {
        Ok(in_read!(self, |conn| events::beyond(conn, keep))?.map(Timestamp::from_millis))
    }

    async fn prune_events(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        Ok(in_tx!(self, |conn| events::prune(conn, before.millis(), limit))?)
    }

    async fn prune_idempotency(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        Ok(in_tx!(self, |conn| idempotency::prune(conn, before.millis(), limit))?)
    }
}

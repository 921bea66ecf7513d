//! The end of a delivery: everything that it writes, at once or not at all.

use core_types::deliveries::{Finish, Finished};
use core_types::messaging::{ChannelEvent, EventBody, EventKind, Wake};
use core_types::{AgentId, Ids, MessageId};
use diesel::prelude::*;

use super::channels::{Turn, event_place, message_place};
use super::columns::{Id, json, time};
use super::messages::{Entered, Entry, enter};
use super::schema::participants;
use super::{Conn, RunQueryDsl, deliveries, events, memories, plane, queue, runs};
use crate::error::{Fault, Undo};

work! {
    /// Locks are taken in the order channel, agents, delivery; only then it is certain that this attempt still holds the
    /// delivery. The reply comes before the delivery's end, since it locks the agents that it wakes.
    pub(super) fn finish(conn: &mut Conn, end: Finish, ids: &dyn Ids) -> Result<Option<Finished>, Undo<Option<Finished>>> {
        let Some(held) = run!(deliveries::held(conn, end.fence))? else { return Ok(None) };
        let (channel, agent, tenant) = (held.channel_id, held.agent_id, held.tenant);
        check(&end, channel)?;
        let now = end.now.millis();
        let reply_place = if end.reply.is_some() { run!(message_place(conn, channel, Turn::Agent, now))? } else { None };
        let mut place = if end.reply.is_none() { run!(event_place(conn, channel, now))? } else { None };
        if reply_place.is_none() && place.is_none() || !run!(queue::hold_agent(conn, agent))? {
            return Err(Undo::Answer(None));
        }
        let mut finished = Finished { events: Vec::with_capacity(2), woken: Vec::new(), frees_next: false };
        let Finish { fence, completion, reply, plane, mut memories, room_state, trace, .. } = end;
        // What the message says now is what is remembered of it, whatever it said when the agent was asked.
        if let Some(text) = held.edited {
            let memory = agent.to::<AgentId>().memory_of(held.message_id.to::<MessageId>());
            for memory in memories.iter_mut().filter(|heard| heard.id == memory) {
                memory.content.insert("text".to_owned(), text.clone().into());
            }
        }
        if let (Some(draft), Some(reply_place)) = (reply, reply_place) {
            // Who finished it before has posted the reply already.
            if run!(deliveries::held(conn, fence))?.is_none() {
                return Err(Undo::Answer(None));
            }
            let entry = Entry { draft, place: reply_place, source_key: None, wake: Wake::Listeners, tenant, now };
            let Entered::Stored(posted) = run!(enter(conn, entry, ids))? else {
                return Err(Undo::Fault(Fault::Defect("another message has the reply's id".to_owned())));
            };
            finished.woken = posted.deliveries;
            finished.events.push(ChannelEvent {
                channel_id: channel.to(),
                seq: posted.message.seq,
                created_at: posted.message.created_at,
                body: EventBody::Message(Some(posted.message)),
            });
            place = run!(event_place(conn, channel, now))?;
        }
        if !run!(deliveries::end(conn, fence, completion.state, now))? {
            return Err(Undo::Answer(None));
        }
        if let Some(plane) = plane {
            let room = Id::from(plane.room.id);
            run!(plane::ensure(conn, plane))?;
            run!(memories::add(conn, memories, memories::Findable::Soon))?;
            if let Some(state) = room_state {
                run!(set_room_state(conn, room, agent, state.to_string()))?;
            }
        }
        if let Some(trace) = trace {
            run!(runs::add(conn, trace))?;
        }
        let Some((seq, created_at)) = place else { return Err(Undo::Answer(None)) };
        let row = events::EventRow {
            channel_id: channel,
            seq,
            kind: EventKind::MessageComplete.to_string(),
            message_id: None,
            payload: Some(json(&completion)?),
            created_at,
        };
        run!(events::add(conn, &row))?;
        let body = EventBody::Complete(Some(completion));
        finished.events.push(ChannelEvent { channel_id: channel.to(), seq, body, created_at: time(created_at) });
        finished.frees_next = run!(deliveries::promote(conn, channel, agent, now))?;
        Ok(Some(finished))
    }
}

/// Whether the parts of a finish belong together.
fn check(end: &Finish, channel: Id) -> Result<(), Fault> {
    let wrong = if !end.completion.state.is_end() {
        "a delivery cannot be finished into a state that is no end"
    } else if end.completion.delivery_id != end.fence.delivery {
        "a completion must be that of the finished delivery"
    } else if end.reply.as_ref().is_some_and(|draft| Id::from(draft.channel_id) != channel) {
        "a reply belongs into the channel of the delivery"
    } else if end.plane.is_none() && (!end.memories.is_empty() || end.room_state.is_some()) {
        "what is remembered needs the agent's plane"
    } else {
        return Ok(());
    };
    Err(Fault::Defect(wrong.to_owned()))
}

work! {
    fn set_room_state(conn: &mut Conn, room: Id, agent: Id, state: String) -> QueryResult<()> {
        let row = (participants::room_id.eq(room), participants::entity_id.eq(agent), participants::room_state.eq(Some(&state)));
        let key = (participants::room_id, participants::entity_id);
        let insert = diesel::insert_into(participants::table).values(row);
        run!(insert.on_conflict(key).do_update().set(participants::room_state.eq(Some(&state))).execute(conn))?;
        Ok(())
    }
}

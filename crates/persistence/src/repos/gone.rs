//! The ids of channels that are gone, which nobody but their owner has again for a while.
//!
//! Whether somebody may read or change a channel is asked before it is done, and a reader reads for as long as it likes. Had another
//! tenant's channel the same id meanwhile, both would be of that.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::columns::Id;
use super::schema::channels_gone;
use super::{Conn, RunQueryDsl};

/// For so long, in milliseconds: a day.
const KEPT: i64 = 24 * 60 * 60 * 1_000;

/// Each that goes forgets so many that went long ago.
const FORGOTTEN: i64 = 8;

const FORGET: &str = concat!(
    "DELETE FROM channels_gone WHERE id IN (SELECT g.id FROM channels_gone g WHERE g.gone_at < $1 ORDER BY g.gone_at LIMIT $2",
    passing_over_locked!("g"),
    ")"
);

work! {
    /// Notes that the channel is gone with the present transaction, and whose it was.
    pub(super) fn note(conn: &mut Conn, id: Id, owner: Option<String>, now: i64) -> QueryResult<()> {
        run!(diesel::sql_query(FORGET).bind::<BigInt, _>(now - KEPT).bind::<BigInt, _>(FORGOTTEN).execute(conn))?;
        let whose = (channels_gone::owner.eq(owner), channels_gone::gone_at.eq(now));
        let row = (channels_gone::id.eq(id), whose.clone());
        run!(diesel::insert_into(channels_gone::table).values(row).on_conflict(channels_gone::id).do_update().set(whose).execute(conn))?;
        Ok(())
    }
}

work! {
    /// Whether the id was, within the last day, that of a channel of somebody else than this one.
    pub(super) fn was_anothers(conn: &mut Conn, id: Id, owner: Option<&str>, now: i64) -> QueryResult<bool> {
        let lately = channels_gone::table.find(id).filter(channels_gone::gone_at.ge(now - KEPT)).select(channels_gone::owner);
        let gone: Option<Option<String>> = run!(lately.first(conn)).optional()?;
        Ok(gone.is_some_and(|other| other.as_deref() != owner))
    }
}

//! Idempotency records: which key was used for which message, and what was sent with it.

use core_types::messaging::IdempotencyKey;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::columns::Id;
use super::schema::idempotency;
use super::{Conn, RunQueryDsl};
use crate::error::Fault;

/// What a key stands for.
pub(super) enum Claim {
    /// It was free and stands for the given message now.
    Ours,
    /// It stands for this message, which was sent with the same body.
    Repeats(Id),
    /// It stands for something else.
    OtherBody,
}

work! {
    /// Writing first and reading on a conflict makes a second user of a key wait for the first one's commit.
    pub(super) fn claim(conn: &mut Conn, key: &IdempotencyKey, message: Id, now: i64) -> Result<Claim, Fault> {
        let row = (
            idempotency::caller.eq(&key.caller),
            idempotency::route.eq(&key.route),
            idempotency::key.eq(&key.key),
            idempotency::body_hash.eq(key.body_hash.as_slice()),
            idempotency::message_id.eq(message),
            idempotency::created_at.eq(now),
        );
        if run!(diesel::insert_into(idempotency::table).values(row).on_conflict_do_nothing().execute(conn))? > 0 {
            return Ok(Claim::Ours);
        }
        let (hash, first): (Vec<u8>, Id) = run!(
            idempotency::table
                .find((&key.caller, &key.route, &key.key))
                .select((idempotency::body_hash, idempotency::message_id))
                .first(conn)
        )?;
        Ok(if hash == key.body_hash { Claim::Repeats(first) } else { Claim::OtherBody })
    }
}

work! {
    /// Makes a key whose message is gone stand for another one, sent with the same body.
    pub(super) fn take_over(conn: &mut Conn, key: &IdempotencyKey, message: Id, now: i64) -> QueryResult<()> {
        let record = idempotency::table.find((&key.caller, &key.route, &key.key));
        let change = (idempotency::message_id.eq(message), idempotency::created_at.eq(now));
        run!(diesel::update(record).set(change).execute(conn))?;
        Ok(())
    }
}

work! {
    pub(super) fn prune(conn: &mut Conn, before: i64, limit: u32) -> Result<u64, Fault> {
        let records = run!(
            diesel::sql_query(
                "DELETE FROM idempotency WHERE (caller, route, key) IN (\
                 SELECT caller, route, key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
            )
            .bind::<BigInt, _>(before)
            .bind::<BigInt, _>(i64::from(limit))
            .execute(conn)
        )?;
        Ok(u64::try_from(records).unwrap_or(u64::MAX))
    }
}

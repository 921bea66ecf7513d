//! Idempotency records: which key was used for which message, file or other thing, what was sent with it, and what was answered
//! where that cannot be made again of the thing itself.

use async_trait::async_trait;
use core_types::messaging::IdempotencyKey;
use core_types::repeats::{Claimed, KeptAnswer, RepeatRepository};
use core_types::{Reach, StoreResult, Timestamp};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use uuid::Uuid;

use super::access::{self, Sight};
use super::columns::Id;
use super::prepared::fixed;
use super::schema::idempotency;
use super::{Conn, Db, RunQueryDsl};
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
        if run!(fixed!(diesel::insert_into(idempotency::table).values(row).on_conflict_do_nothing()).execute(conn))? > 0 {
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
    /// Makes a key whose message or file is gone stand for another one, sent with the same body.
    pub(super) fn take_over(conn: &mut Conn, key: &IdempotencyKey, message: Id, now: i64) -> QueryResult<()> {
        let record = idempotency::table.find((&key.caller, &key.route, &key.key));
        let change = (idempotency::message_id.eq(message), idempotency::created_at.eq(now));
        run!(diesel::update(record).set(change).execute(conn))?;
        Ok(())
    }
}

work! {
    /// What a key stands for whose request makes neither a message nor a file.
    fn open(conn: &mut Conn, key: &IdempotencyKey, id: Id, sight: Option<&Sight>, now: i64) -> Result<Claimed, Fault> {
        let first = match run!(claim(conn, key, id, now))? {
            Claim::Ours => return Ok(Claimed::Open(id.to())),
            Claim::OtherBody => return Ok(Claimed::OtherBody),
            Claim::Repeats(first) => first,
        };
        let (status, body): (Option<i32>, Option<String>) = run!(
            idempotency::table.find((&key.caller, &key.route, &key.key)).select((idempotency::status, idempotency::answer)).first(conn)
        )?;
        let (Some(status), Some(body)) = (status, body) else { return Ok(Claimed::Open(first.to())) };
        if let Some(sight) = sight
            && let Some(thing) = run!(access::lost(conn, sight, first))?
        {
            return Ok(Claimed::OutOfReach(thing));
        }
        let status = u16::try_from(status).map_err(|_| Fault::Defect("idempotency.status is no status".to_owned()))?;
        Ok(Claimed::Answered(KeptAnswer { status, body }))
    }
}

work! {
    fn answer(conn: &mut Conn, key: &IdempotencyKey, kept: KeptAnswer) -> Result<(), Fault> {
        let record = idempotency::table.find((&key.caller, &key.route, &key.key)).filter(idempotency::answer.is_null());
        let change = (idempotency::status.eq(i32::from(kept.status)), idempotency::answer.eq(kept.body));
        run!(diesel::update(record).set(change).execute(conn))?;
        Ok(())
    }
}

work! {
    fn release(conn: &mut Conn, key: &IdempotencyKey) -> Result<(), Fault> {
        let record = idempotency::table.find((&key.caller, &key.route, &key.key)).filter(idempotency::answer.is_null());
        run!(diesel::delete(record).execute(conn))?;
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

#[async_trait]
impl RepeatRepository for Db {
    async fn claim(&self, key: IdempotencyKey, id: Uuid, reach: Option<&Reach>, now: Timestamp) -> StoreResult<Claimed> {
        let sight = reach.map(Sight::from);
        Ok(in_tx!(self, |conn| open(conn, &key, id.into(), sight.as_ref(), now.millis()))?)
    }

    async fn answer(&self, key: IdempotencyKey, answer_given: KeptAnswer) -> StoreResult<()> {
        Ok(in_tx!(self, |conn| answer(conn, &key, answer_given))?)
    }

    async fn release(&self, key: IdempotencyKey) -> StoreResult<()> {
        Ok(in_tx!(self, |conn| release(conn, &key))?)
    }
}

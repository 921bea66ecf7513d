//! What is known of files.

use async_trait::async_trait;
use core_types::media::{MediaAdded, MediaFile, MediaPlace, MediaRepository};
use core_types::messaging::IdempotencyKey;
use core_types::{MediaId, StoreResult, Timestamp};
use diesel::dsl::exists;
use diesel::prelude::*;

use super::columns::{Id, time, word};
use super::idempotency::{self, Claim};
use super::schema::{agents, channels, media};
use super::{Conn, Db, RunQueryDsl};
use crate::error::Fault;

const AGENT: &str = "agent";
const CHANNEL: &str = "channel";
const GENERATED: &str = "generated";

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = media, treat_none_as_default_value = false)]
pub(super) struct MediaRow {
    id: Id,
    family: String,
    owner_id: Id,
    media_type: String,
    original_name: String,
    size: i64,
    sha256: Vec<u8>,
    created_at: i64,
}

impl MediaRow {
    fn of(file: MediaFile) -> Result<Self, Fault> {
        let (family, owner_id) = match file.place {
            MediaPlace::Agent(id) => (AGENT, id.into()),
            MediaPlace::Channel(id) => (CHANNEL, id.into()),
            MediaPlace::Generated(id) => (GENERATED, id.into()),
        };
        Ok(Self {
            id: file.id.into(),
            family: family.to_owned(),
            owner_id,
            media_type: file.media_type.mime().to_owned(),
            original_name: file.original_name,
            size: i64::try_from(file.size).map_err(|_| Fault::Defect("a file is too large to be true".to_owned()))?,
            sha256: file.sha256.to_vec(),
            created_at: file.created_at.millis(),
        })
    }

    pub(super) fn into_file(self) -> Result<MediaFile, Fault> {
        let row = Some(self.id.0);
        let meaningless = |column: &'static str| Fault::Meaningless { column, row };
        let place = match self.family.as_str() {
            AGENT => MediaPlace::Agent(self.owner_id.to()),
            CHANNEL => MediaPlace::Channel(self.owner_id.to()),
            GENERATED => MediaPlace::Generated(self.owner_id.to()),
            _ => return Err(meaningless("media.family")),
        };
        Ok(MediaFile {
            id: self.id.to(),
            place,
            media_type: word("media.media_type", &self.media_type).map_err(|fault| fault.of(self.id.0))?,
            original_name: self.original_name,
            size: u64::try_from(self.size).map_err(|_| meaningless("media.size"))?,
            sha256: self.sha256.try_into().map_err(|_| meaningless("media.sha256"))?,
            created_at: time(self.created_at),
        })
    }
}

work! {
    fn add(conn: &mut Conn, file: MediaFile) -> Result<(), Fault> {
        let row = MediaRow::of(file)?;
        run!(diesel::insert_into(media::table).values(&row).execute(conn))?;
        Ok(())
    }
}

work! {
    fn add_once(conn: &mut Conn, file: MediaFile, key: &IdempotencyKey) -> Result<MediaAdded, Fault> {
        let (id, now) = (Id::from(file.id), file.created_at.millis());
        match run!(idempotency::claim(conn, key, id, now))? {
            Claim::Ours => {}
            Claim::OtherBody => return Ok(MediaAdded::OtherBody),
            Claim::Repeats(first) => {
                if let Some(first) = run!(find(conn, first))? {
                    return Ok(MediaAdded::Repeats(first));
                }
                run!(idempotency::take_over(conn, key, id, now))?;
            }
        }
        run!(add(conn, file))?;
        Ok(MediaAdded::New)
    }
}

work! {
    fn find(conn: &mut Conn, id: Id) -> Result<Option<MediaFile>, Fault> {
        let row: Option<MediaRow> = run!(media::table.find(id).select(MediaRow::as_select()).first(conn)).optional()?;
        row.map(MediaRow::into_file).transpose()
    }
}

work! {
    fn remove(conn: &mut Conn, id: Id) -> Result<bool, Fault> {
        Ok(run!(diesel::delete(media::table.find(id)).execute(conn))? > 0)
    }
}

work! {
    fn known(conn: &mut Conn, ids: Vec<Id>) -> Result<Vec<Id>, Fault> {
        Ok(run!(media::table.filter(media::id.eq_any(ids)).select(media::id).load(conn))?)
    }
}

work! {
    fn orphans(conn: &mut Conn, before: i64, limit: u32) -> Result<Vec<MediaFile>, Fault> {
        let has_agent = exists(agents::table.filter(agents::id.eq(media::owner_id)));
        let has_channel = exists(channels::table.filter(channels::id.eq(media::owner_id)));
        let of_channel = media::family.eq(CHANNEL);
        let orphaned = of_channel.and(diesel::dsl::not(has_channel)).or(media::family.ne(CHANNEL).and(diesel::dsl::not(has_agent)));
        let rows: Vec<MediaRow> = run!(
            media::table
                .filter(media::created_at.lt(before))
                .filter(orphaned)
                .order((media::created_at, media::id))
                .limit(limit.into())
                .select(MediaRow::as_select())
                .load(conn)
        )?;
        rows.into_iter().map(MediaRow::into_file).collect()
    }
}

#[async_trait]
impl MediaRepository for Db {
    async fn add(&self, file: MediaFile) -> StoreResult<()> {
        Ok(in_tx!(self, |conn| add(conn, file))?)
    }

    async fn add_once(&self, file: MediaFile, key: IdempotencyKey) -> StoreResult<MediaAdded> {
        Ok(in_tx!(self, |conn| add_once(conn, file, &key))?)
    }

    async fn find(&self, id: MediaId) -> StoreResult<Option<MediaFile>> {
        Ok(in_read!(self, |conn| find(conn, id.into()))?)
    }

    async fn remove(&self, id: MediaId) -> StoreResult<bool> {
        Ok(in_tx!(self, |conn| remove(conn, id.into()))?)
    }

    async fn known(&self, ids: Vec<MediaId>) -> StoreResult<Vec<MediaId>> {
        let ids = ids.into_iter().map(Id::from).collect();
        let known: Vec<Id> = in_read!(self, |conn| known(conn, ids))?;
        Ok(known.into_iter().map(Id::to).collect())
    }

    async fn orphans(&self, before: Timestamp, limit: u32) -> StoreResult<Vec<MediaFile>> {
        Ok(in_read!(self, |conn| orphans(conn, before.millis(), limit))?)
    }
}

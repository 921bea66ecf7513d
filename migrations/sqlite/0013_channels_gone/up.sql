-- Whose the channels were that are gone: for a while nobody else has their ids, so that what is still under way for one of them, a reader
-- or a change, never meets what another says under the same id.
CREATE TABLE channels_gone (
    id BLOB PRIMARY KEY NOT NULL,
    owner TEXT,
    gone_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX channels_gone_by_age ON channels_gone (gone_at);

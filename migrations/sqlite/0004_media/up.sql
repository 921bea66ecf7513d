-- What is known of uploaded and generated files. Their owners are no foreign keys: a file may come before its agent.
CREATE TABLE media (
    id BLOB PRIMARY KEY,
    family TEXT NOT NULL CHECK (family IN ('agent', 'channel', 'generated')),
    owner_id BLOB NOT NULL,
    media_type TEXT NOT NULL,
    original_name TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX media_by_age ON media (created_at);

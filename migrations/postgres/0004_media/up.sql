-- What is known of uploaded and generated files. Their owners are no foreign keys: a file may come before its agent.
CREATE TABLE media (
    id UUID PRIMARY KEY,
    family TEXT NOT NULL CHECK (family IN ('agent', 'channel', 'generated')),
    owner_id UUID NOT NULL,
    media_type TEXT NOT NULL,
    original_name TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX media_by_age ON media (created_at);

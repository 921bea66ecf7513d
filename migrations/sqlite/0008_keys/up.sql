-- Whose a thing is; null is the owner's. What belongs to it (messages, memories, sessions, ...) is whose it is.
ALTER TABLE agents ADD COLUMN owner TEXT;
ALTER TABLE message_servers ADD COLUMN owner TEXT;
ALTER TABLE channels ADD COLUMN owner TEXT;
CREATE INDEX agents_of_owner ON agents (owner) WHERE owner IS NOT NULL;
CREATE INDEX message_servers_of_owner ON message_servers (owner) WHERE owner IS NOT NULL;
CREATE INDEX channels_of_owner ON channels (owner, server_id, created_at) WHERE owner IS NOT NULL;

-- Of a key only the hash is here. Permissions are the texts of scopes, with spaces between; servers is a list of ids.
CREATE TABLE api_keys (
    ordinal INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    tenant TEXT NOT NULL,
    permissions TEXT NOT NULL,
    servers TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER
) STRICT;

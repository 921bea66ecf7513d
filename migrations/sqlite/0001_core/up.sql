-- Ids are 16-byte blobs, times are milliseconds since the Unix epoch, JSON is text. `ordinal` is the order of insertion.

CREATE TABLE agents (
    id BLOB NOT NULL PRIMARY KEY,
    -- `name` and `bio` repeat what the character says, so that a list need not read characters.
    name TEXT NOT NULL,
    bio TEXT NOT NULL,
    character TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    running INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE agent_secrets (
    agent_id BLOB NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (agent_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE message_servers (
    ordinal INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    source_type TEXT NOT NULL,
    source_id TEXT,
    metadata TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

INSERT INTO message_servers (id, name, source_type, metadata, created_at, updated_at)
VALUES (
    zeroblob(16), 'Default Server', 'eliza_default', '{}',
    CAST(unixepoch('subsec') * 1000 AS INTEGER), CAST(unixepoch('subsec') * 1000 AS INTEGER)
);

CREATE TABLE channels (
    ordinal INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    server_id BLOB NOT NULL REFERENCES message_servers (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    source_type TEXT,
    source_id TEXT,
    topic TEXT,
    metadata TEXT NOT NULL,
    -- The sequence number of the last event, the time of the last message, and how many messages in a row are agents'.
    last_seq INTEGER NOT NULL DEFAULT 0,
    last_message_at INTEGER NOT NULL DEFAULT 0,
    agent_turns INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX channels_of_server ON channels (server_id, created_at);

CREATE TABLE channel_participants (
    channel_id BLOB NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    entity_id BLOB NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (channel_id, entity_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX channel_participants_of_entity ON channel_participants (entity_id);

CREATE TABLE messages (
    ordinal INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    channel_id BLOB NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    server_id BLOB NOT NULL,
    author_id BLOB NOT NULL,
    author_name TEXT,
    content TEXT NOT NULL,
    raw TEXT,
    source_type TEXT,
    source_id TEXT,
    -- Set where the source names the message for good, to find its repeats.
    source_key TEXT,
    metadata TEXT NOT NULL,
    in_reply_to BLOB REFERENCES messages (id) ON DELETE SET NULL,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX messages_in_order ON messages (channel_id, created_at);
CREATE UNIQUE INDEX messages_by_source ON messages (channel_id, source_key) WHERE source_key IS NOT NULL;
CREATE INDEX messages_by_answered ON messages (in_reply_to) WHERE in_reply_to IS NOT NULL;

CREATE TABLE channel_events (
    channel_id BLOB NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    -- A message is joined in when its event is read, so that deleting it forgets it.
    message_id BLOB,
    payload TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (channel_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX channel_events_by_age ON channel_events (created_at);

-- Deliveries outlive their agent, message and channel, so that each is seen to end.
CREATE TABLE deliveries (
    ordinal INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    message_id BLOB NOT NULL,
    agent_id BLOB NOT NULL,
    channel_id BLOB NOT NULL,
    author_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    reply_id BLOB NOT NULL,
    must_answer INTEGER NOT NULL,
    state TEXT NOT NULL,
    -- How often it was claimed, which names the claim, and how many of these claims were given back without counting.
    attempt INTEGER NOT NULL,
    given_back INTEGER NOT NULL,
    -- From when on it may be claimed: the end of the wait while pending, the end of the lease while claimed. Null while
    -- an older delivery of the same agent and channel is open, and after the end.
    due_at INTEGER,
    created_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
CREATE INDEX deliveries_of_message ON deliveries (message_id);
CREATE INDEX deliveries_open ON deliveries (channel_id, agent_id, seq) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX deliveries_head ON deliveries (channel_id, agent_id) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_by_age ON deliveries (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE idempotency (
    caller TEXT NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    message_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (caller, route, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE worlds (
    ordinal INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    agent_id BLOB NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    server_id BLOB,
    metadata TEXT NOT NULL
) STRICT;
CREATE INDEX worlds_of_agent ON worlds (agent_id);

CREATE TABLE rooms (
    id BLOB NOT NULL PRIMARY KEY,
    agent_id BLOB NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    world_id BLOB NOT NULL,
    channel_id BLOB,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL
) STRICT;
CREATE INDEX rooms_of_agent ON rooms (agent_id);
CREATE INDEX rooms_of_channel ON rooms (channel_id) WHERE channel_id IS NOT NULL;

CREATE TABLE entities (
    agent_id BLOB NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    id BLOB NOT NULL,
    names TEXT NOT NULL,
    metadata TEXT NOT NULL,
    PRIMARY KEY (agent_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE participants (
    room_id BLOB NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    entity_id BLOB NOT NULL,
    room_state TEXT,
    PRIMARY KEY (room_id, entity_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE memories (
    ordinal INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    agent_id BLOB NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    table_name TEXT NOT NULL,
    room_id BLOB NOT NULL,
    world_id BLOB,
    entity_id BLOB NOT NULL,
    content TEXT NOT NULL,
    metadata TEXT NOT NULL,
    is_unique INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX memories_of_agent ON memories (agent_id, table_name, created_at);
CREATE INDEX memories_of_room ON memories (room_id, table_name, created_at);

CREATE TABLE runs (
    ordinal INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    agent_id BLOB NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    delivery_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    entity_id BLOB NOT NULL,
    message_id BLOB NOT NULL,
    status TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    metadata TEXT NOT NULL
) STRICT;
CREATE INDEX runs_of_agent ON runs (agent_id, started_at);
CREATE INDEX runs_by_age ON runs (ended_at);

CREATE TABLE logs (
    ordinal INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    agent_id BLOB NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    entity_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX logs_of_agent ON logs (agent_id, created_at);
CREATE INDEX logs_by_age ON logs (created_at);

-- Times are milliseconds since the Unix epoch. JSON is `json`, not `jsonb`: it is never searched, and it keeps the order of
-- keys, the spelling of numbers and `\u0000`. `ordinal` is the order of insertion.

CREATE TABLE agents (
    id UUID NOT NULL PRIMARY KEY,
    -- `name` and `bio` repeat what the character says, so that a list need not read characters.
    name TEXT NOT NULL,
    bio TEXT NOT NULL,
    character JSON NOT NULL,
    enabled BOOLEAN NOT NULL,
    running BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE agent_secrets (
    agent_id UUID NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    -- By bytes, as SQLite sorts.
    name TEXT COLLATE "C" NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (agent_id, name)
);

CREATE TABLE message_servers (
    ordinal BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id UUID NOT NULL UNIQUE,
    name TEXT NOT NULL,
    source_type TEXT NOT NULL,
    source_id TEXT,
    metadata JSON NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

INSERT INTO message_servers (id, name, source_type, metadata, created_at, updated_at)
VALUES (
    '00000000-0000-0000-0000-000000000000', 'Default Server', 'eliza_default', '{}',
    (extract(epoch FROM now()) * 1000)::BIGINT, (extract(epoch FROM now()) * 1000)::BIGINT
);

CREATE TABLE channels (
    ordinal BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id UUID NOT NULL UNIQUE,
    server_id UUID NOT NULL REFERENCES message_servers (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    source_type TEXT,
    source_id TEXT,
    topic TEXT,
    metadata JSON NOT NULL,
    -- The sequence number of the last event, the time of the last message, and how many messages in a row are agents'.
    last_seq BIGINT NOT NULL DEFAULT 0,
    last_message_at BIGINT NOT NULL DEFAULT 0,
    agent_turns INTEGER NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX channels_of_server ON channels (server_id, created_at);

CREATE TABLE channel_participants (
    channel_id UUID NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    entity_id UUID NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (channel_id, entity_id)
);
CREATE INDEX channel_participants_of_entity ON channel_participants (entity_id);

CREATE TABLE messages (
    ordinal BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id UUID NOT NULL UNIQUE,
    channel_id UUID NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    server_id UUID NOT NULL,
    author_id UUID NOT NULL,
    author_name TEXT,
    content TEXT NOT NULL,
    raw JSON,
    source_type TEXT,
    source_id TEXT,
    -- Set where the source names the message for good, to find its repeats.
    source_key TEXT,
    metadata JSON NOT NULL,
    in_reply_to UUID REFERENCES messages (id) ON DELETE SET NULL,
    seq BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX messages_in_order ON messages (channel_id, created_at);
CREATE UNIQUE INDEX messages_by_source ON messages (channel_id, source_key) WHERE source_key IS NOT NULL;
CREATE INDEX messages_by_answered ON messages (in_reply_to) WHERE in_reply_to IS NOT NULL;

CREATE TABLE channel_events (
    channel_id UUID NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    -- A message is joined in when its event is read, so that deleting it forgets it.
    message_id UUID,
    payload JSON,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (channel_id, seq)
);
CREATE INDEX channel_events_by_age ON channel_events (created_at);

-- Deliveries outlive their agent, message and channel, so that each is seen to end.
CREATE TABLE deliveries (
    ordinal BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id UUID NOT NULL UNIQUE,
    message_id UUID NOT NULL,
    agent_id UUID NOT NULL,
    channel_id UUID NOT NULL,
    author_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    reply_id UUID NOT NULL,
    must_answer BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    -- How often it was claimed, which names the claim, and how many of these claims were given back without counting.
    attempt INTEGER NOT NULL,
    given_back INTEGER NOT NULL,
    -- From when on it may be claimed: the end of the wait while pending, the end of the lease while claimed. Null while
    -- an older delivery of the same agent and channel is open, and after the end.
    due_at BIGINT,
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX deliveries_of_message ON deliveries (message_id);
CREATE INDEX deliveries_open ON deliveries (channel_id, agent_id, seq) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX deliveries_head ON deliveries (channel_id, agent_id) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_by_age ON deliveries (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE idempotency (
    caller TEXT NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash BYTEA NOT NULL,
    message_id UUID NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (caller, route, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE worlds (
    ordinal BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id UUID NOT NULL UNIQUE,
    agent_id UUID NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    server_id UUID,
    metadata JSON NOT NULL
);
CREATE INDEX worlds_of_agent ON worlds (agent_id);

CREATE TABLE rooms (
    id UUID NOT NULL PRIMARY KEY,
    agent_id UUID NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    world_id UUID NOT NULL,
    channel_id UUID,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL
);
CREATE INDEX rooms_of_agent ON rooms (agent_id);
CREATE INDEX rooms_of_channel ON rooms (channel_id) WHERE channel_id IS NOT NULL;

CREATE TABLE entities (
    agent_id UUID NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    id UUID NOT NULL,
    names JSON NOT NULL,
    metadata JSON NOT NULL,
    PRIMARY KEY (agent_id, id)
);

CREATE TABLE participants (
    room_id UUID NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    entity_id UUID NOT NULL,
    room_state TEXT,
    PRIMARY KEY (room_id, entity_id)
);

CREATE TABLE memories (
    ordinal BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id UUID NOT NULL UNIQUE,
    agent_id UUID NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    table_name TEXT NOT NULL,
    room_id UUID NOT NULL,
    world_id UUID,
    entity_id UUID NOT NULL,
    content JSON NOT NULL,
    metadata JSON NOT NULL,
    is_unique BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX memories_of_agent ON memories (agent_id, table_name, created_at);
CREATE INDEX memories_of_room ON memories (room_id, table_name, created_at);

CREATE TABLE runs (
    ordinal BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id UUID NOT NULL UNIQUE,
    agent_id UUID NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    delivery_id UUID NOT NULL,
    room_id UUID NOT NULL,
    entity_id UUID NOT NULL,
    message_id UUID NOT NULL,
    status TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    metadata JSON NOT NULL
);
CREATE INDEX runs_of_agent ON runs (agent_id, started_at);
CREATE INDEX runs_by_age ON runs (ended_at);

CREATE TABLE logs (
    ordinal BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id UUID NOT NULL UNIQUE,
    agent_id UUID NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    entity_id UUID NOT NULL,
    room_id UUID NOT NULL,
    kind TEXT NOT NULL,
    body JSON NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX logs_of_agent ON logs (agent_id, created_at);
CREATE INDEX logs_by_age ON logs (created_at);

-- A session goes with its agent and its channel; the channel stays when the session ends.
CREATE TABLE sessions (
    ordinal INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    channel_id BLOB NOT NULL UNIQUE REFERENCES channels (id) ON DELETE CASCADE,
    agent_id BLOB NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    user_id BLOB NOT NULL,
    metadata TEXT NOT NULL,
    timeout_minutes INTEGER NOT NULL,
    auto_renew INTEGER NOT NULL,
    max_duration_minutes INTEGER NOT NULL,
    warning_threshold_minutes INTEGER NOT NULL,
    renewals INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_activity_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_of_agent ON sessions (agent_id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- What was asked is the message, what came of it is the delivery, and the answer is the reply: nothing of that is here again.
-- A job goes with its message, so that deleting is forgetting.
CREATE TABLE jobs (
    ordinal INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    message_id BLOB NOT NULL UNIQUE REFERENCES messages (id) ON DELETE CASCADE,
    delivery_id BLOB NOT NULL UNIQUE,
    reply_id BLOB NOT NULL,
    agent_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_by_end ON jobs (expires_at);

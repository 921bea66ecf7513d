-- Where a memory comes from: the message, its author and channel, the run that kept it, and how far it may be trusted.
-- Null where it is not known, and for what was kept before this was.
ALTER TABLE memories ADD COLUMN source_message_id UUID;
ALTER TABLE memories ADD COLUMN source_author_id UUID;
ALTER TABLE memories ADD COLUMN source_channel_id UUID;
ALTER TABLE memories ADD COLUMN source_run_id UUID;
ALTER TABLE memories ADD COLUMN trust TEXT;

-- The document that a memory is a fragment of.
ALTER TABLE memories ADD COLUMN document_id UUID REFERENCES memories (id) ON DELETE CASCADE;
CREATE INDEX memories_of_document ON memories (document_id) WHERE document_id IS NOT NULL;

-- By which way of taking words out of a text a memory can be found; 0 where it cannot be found yet.
ALTER TABLE memories ADD COLUMN words_version INTEGER NOT NULL DEFAULT 0;
CREATE INDEX memories_without_words ON memories (ordinal) WHERE words_version = 0;

-- The words of memories; the first of each names agent and table.
CREATE TABLE memory_words (
    ordinal BIGINT NOT NULL PRIMARY KEY REFERENCES memories (ordinal) ON DELETE CASCADE,
    words TSVECTOR NOT NULL
);
CREATE INDEX memory_words_by_word ON memory_words USING GIN (words);

ALTER TABLE rooms ADD COLUMN server_id UUID;
ALTER TABLE rooms ADD COLUMN metadata JSON NOT NULL DEFAULT '{}';
ALTER TABLE rooms ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
UPDATE rooms SET created_at = (SELECT agents.created_at FROM agents WHERE agents.id = rooms.agent_id);
-- The rooms of a group are found by its message server.
CREATE INDEX rooms_of_group ON rooms (server_id) WHERE server_id IS NOT NULL;

-- Where a memory comes from: the message, its author and channel, the run that kept it, and how far it may be trusted.
-- Null where it is not known, and for what was kept before this was.
ALTER TABLE memories ADD COLUMN source_message_id BLOB;
ALTER TABLE memories ADD COLUMN source_author_id BLOB;
ALTER TABLE memories ADD COLUMN source_channel_id BLOB;
ALTER TABLE memories ADD COLUMN source_run_id BLOB;
ALTER TABLE memories ADD COLUMN trust TEXT;

-- The document that a memory is a fragment of.
ALTER TABLE memories ADD COLUMN document_id BLOB REFERENCES memories (id) ON DELETE CASCADE;
CREATE INDEX memories_of_document ON memories (document_id) WHERE document_id IS NOT NULL;

-- By which way of taking words out of a text a memory can be found; 0 where it cannot be found yet.
ALTER TABLE memories ADD COLUMN words_version INTEGER NOT NULL DEFAULT 0;
CREATE INDEX memories_without_words ON memories (ordinal) WHERE words_version = 0;

-- The words of memories, by their ordinals; `scope` is one word that names agent and table. The text itself is not kept
-- twice. Words come cut and folded, so that the tokenizer has only spaces to find.
CREATE VIRTUAL TABLE memory_words USING fts5 (
    scope, words, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 0'
);
-- Best first is by the words alone.
INSERT INTO memory_words (memory_words, rank) VALUES ('rank', 'bm25(0.0, 1.0)');

CREATE TRIGGER memories_lose_words AFTER DELETE ON memories WHEN old.words_version > 0
BEGIN
    DELETE FROM memory_words WHERE rowid = old.ordinal;
END;

ALTER TABLE rooms ADD COLUMN server_id BLOB;
ALTER TABLE rooms ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE rooms ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
UPDATE rooms SET created_at = (SELECT agents.created_at FROM agents WHERE agents.id = rooms.agent_id);
-- The rooms of a group are found by its message server.
CREATE INDEX rooms_of_group ON rooms (server_id) WHERE server_id IS NOT NULL;

DELETE FROM memories WHERE document_id IS NOT NULL;
DROP INDEX rooms_of_group;
ALTER TABLE rooms DROP COLUMN created_at, DROP COLUMN metadata, DROP COLUMN server_id;
DROP TABLE memory_words;
DROP INDEX memories_without_words;
DROP INDEX memories_of_document;
ALTER TABLE memories
    DROP COLUMN words_version, DROP COLUMN document_id, DROP COLUMN trust, DROP COLUMN source_run_id,
    DROP COLUMN source_channel_id, DROP COLUMN source_author_id, DROP COLUMN source_message_id;

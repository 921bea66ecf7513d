-- What vectors must have in common to be compared: the model, its version, and how many numbers they have.
CREATE TABLE embedding_spaces (
    id INTEGER PRIMARY KEY,
    model TEXT NOT NULL,
    dimension INTEGER NOT NULL,
    version TEXT NOT NULL,
    UNIQUE (model, dimension, version)
) STRICT;

-- The vectors of memories, with what of a memory filters ask for, so that reading them all reads nothing else. A vector's
-- number is never used again: a memory that changes gets another.
CREATE TABLE memory_vectors (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    memory_ordinal INTEGER NOT NULL UNIQUE REFERENCES memories (ordinal) ON DELETE CASCADE,
    memory_id BLOB NOT NULL,
    agent_id BLOB NOT NULL,
    space_id INTEGER NOT NULL REFERENCES embedding_spaces (id),
    table_name TEXT NOT NULL,
    room_id BLOB NOT NULL,
    world_id BLOB,
    entity_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    scale REAL NOT NULL,
    numbers BLOB NOT NULL
) STRICT;
CREATE INDEX memory_vectors_of_space ON memory_vectors (space_id, number);
CREATE INDEX memory_vectors_of_agent ON memory_vectors (agent_id, space_id);

-- The numbers of vectors that are gone, for whoever keeps vectors in memory.
CREATE TABLE vectors_gone (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    number INTEGER NOT NULL,
    agent_id BLOB NOT NULL,
    space_id INTEGER NOT NULL
) STRICT;
CREATE TRIGGER memory_vectors_go AFTER DELETE ON memory_vectors
BEGIN
    INSERT INTO vectors_gone (number, agent_id, space_id) VALUES (old.number, old.agent_id, old.space_id);
END;

-- Whether a memory has got its vector, or has nothing to make one of.
ALTER TABLE memories ADD COLUMN embedded INTEGER NOT NULL DEFAULT 0;
CREATE INDEX memories_without_vector ON memories (ordinal) WHERE NOT embedded;

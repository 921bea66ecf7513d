-- What vectors must have in common to be compared: the model, its version, and how many numbers they have.
CREATE TABLE embedding_spaces (
    id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model TEXT NOT NULL,
    dimension INTEGER NOT NULL,
    version TEXT NOT NULL,
    UNIQUE (model, dimension, version)
);

-- The vectors of memories, with what of a memory filters ask for, so that reading them all reads nothing else. A vector's
-- number is never used again: a memory that changes gets another.
CREATE TABLE memory_vectors (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    memory_ordinal BIGINT NOT NULL UNIQUE REFERENCES memories (ordinal) ON DELETE CASCADE,
    memory_id UUID NOT NULL,
    agent_id UUID NOT NULL,
    space_id INTEGER NOT NULL REFERENCES embedding_spaces (id),
    table_name TEXT NOT NULL,
    room_id UUID NOT NULL,
    world_id UUID,
    entity_id UUID NOT NULL,
    created_at BIGINT NOT NULL,
    scale REAL NOT NULL,
    numbers BYTEA NOT NULL
);
CREATE INDEX memory_vectors_of_space ON memory_vectors (space_id, number);
CREATE INDEX memory_vectors_of_agent ON memory_vectors (agent_id, space_id);
-- They do not get smaller by compressing them.
ALTER TABLE memory_vectors ALTER COLUMN numbers SET STORAGE EXTERNAL;

-- The numbers of vectors that are gone, for whoever keeps vectors in memory.
CREATE TABLE vectors_gone (
    place BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number BIGINT NOT NULL,
    agent_id UUID NOT NULL,
    space_id INTEGER NOT NULL
);
CREATE FUNCTION note_vector_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO vectors_gone (number, agent_id, space_id) VALUES (old.number, old.agent_id, old.space_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER memory_vectors_go AFTER DELETE ON memory_vectors FOR EACH ROW EXECUTE FUNCTION note_vector_gone();

-- Whether a memory has got its vector, or has nothing to make one of.
ALTER TABLE memories ADD COLUMN embedded BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX memories_without_vector ON memories (ordinal) WHERE NOT embedded;

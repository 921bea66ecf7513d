DROP INDEX memories_without_vector;
ALTER TABLE memories DROP COLUMN embedded;
DROP TABLE memory_vectors;
DROP FUNCTION note_vector_gone;
DROP TABLE vectors_gone;
DROP TABLE embedding_spaces;

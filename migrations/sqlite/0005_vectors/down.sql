DROP INDEX memories_without_vector;
ALTER TABLE memories DROP COLUMN embedded;
DROP TRIGGER memory_vectors_go;
DROP TABLE vectors_gone;
DROP TABLE memory_vectors;
DROP TABLE embedding_spaces;

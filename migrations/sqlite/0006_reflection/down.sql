DROP INDEX facts_of_author;
ALTER TABLE participants DROP COLUMN reflected_to;

-- What was deleted leaves marks in the index of words until a part of it is written anew. By default that is done when a tenth is marked, so
-- that deleting much writes all of it again and again, for which other writers wait.
INSERT INTO memory_words (memory_words, rank) VALUES ('deletemerge', 50);

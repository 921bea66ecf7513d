INSERT INTO memory_words (memory_words, rank) VALUES ('deletemerge', 10);

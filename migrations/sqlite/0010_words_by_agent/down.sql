DROP TABLE memory_words;
CREATE VIRTUAL TABLE memory_words USING fts5 (
    scope, words, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 0'
);
INSERT INTO memory_words (memory_words, rank) VALUES ('rank', 'bm25(0.0, 1.0)');
UPDATE memories SET words_version = 0 WHERE words_version > 0;

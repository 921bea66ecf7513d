-- Words are indexed with their agent and table in front, as one word, so that a search reads of one agent's memories only those that
-- have it: what a word for the agent alone matched was counted anew with each search, to the last memory. Who has memories waits for
-- them to be indexed again, a few at a time.
DROP TABLE memory_words;
CREATE VIRTUAL TABLE memory_words USING fts5 (
    words, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 0'
);
UPDATE memories SET words_version = 0 WHERE words_version > 0;

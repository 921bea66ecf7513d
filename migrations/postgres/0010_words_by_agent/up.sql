-- PostgreSQL's index leaps over what only one of two words is in, so that words stay as they are here.
SELECT 1;

DROP TABLE jobs;
DROP TABLE sessions;

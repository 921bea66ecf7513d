-- The agents of an owner by whether they run and by age, as lists have them. PostgreSQL keeps what is long outside of the row, so that the
-- other indexes of SQLite would spare it nothing.
CREATE INDEX agents_listed ON agents (coalesce(owner, ''), running DESC, created_at, id);

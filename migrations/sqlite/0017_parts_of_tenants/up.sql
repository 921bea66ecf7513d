-- Whose a job or a session is: the tenant that made its channel; null is the owner. Of either a tenant has its part, and makes room for
-- more among its own that are over. An index of SQLite ends in the ordinal by itself.
ALTER TABLE jobs ADD COLUMN tenant TEXT;
UPDATE jobs SET tenant = (SELECT c.owner FROM messages m JOIN channels c ON c.id = m.channel_id WHERE m.id = jobs.message_id);
CREATE INDEX jobs_of_tenant ON jobs (tenant) WHERE tenant IS NOT NULL;
ALTER TABLE sessions ADD COLUMN tenant TEXT;
UPDATE sessions SET tenant = (SELECT c.owner FROM channels c WHERE c.id = sessions.channel_id);
CREATE INDEX sessions_of_tenant ON sessions (tenant, expires_at) WHERE tenant IS NOT NULL;

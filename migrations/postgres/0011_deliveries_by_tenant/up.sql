-- For whom an agent works on it: the tenant that spoke; null is the owner. Counted for each agent and tenant while it is open.
ALTER TABLE deliveries ADD COLUMN tenant TEXT;
DROP INDEX deliveries_open;
CREATE INDEX deliveries_open ON deliveries (channel_id, agent_id, seq, tenant) WHERE ended_at IS NULL;

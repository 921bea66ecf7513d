DROP INDEX deliveries_open;
CREATE INDEX deliveries_open ON deliveries (channel_id, agent_id, seq) WHERE ended_at IS NULL;
ALTER TABLE deliveries DROP COLUMN tenant;

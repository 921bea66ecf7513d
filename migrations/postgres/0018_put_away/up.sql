-- While an agent is stopped, what waits for it is due so many milliseconds later than it is, and so never: else every claim would go
-- through it to what is behind. By the index it is found again when the agent starts.
CREATE INDEX deliveries_put_away ON deliveries (agent_id) WHERE due_at >= 1000000000000000000;
UPDATE deliveries SET due_at = due_at + 1000000000000000000
WHERE due_at < 1000000000000000000 AND agent_id IN (SELECT id FROM agents WHERE NOT running);

-- Which agents listen on which message servers, in the order in which they were tied to them.
CREATE TABLE server_agents (
    ordinal BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    server_id UUID NOT NULL REFERENCES message_servers (id) ON DELETE CASCADE,
    agent_id UUID NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    UNIQUE (server_id, agent_id)
);
CREATE INDEX server_agents_of_agent ON server_agents (agent_id);

-- Every agent that was ever started is tied to the default server; those that run now surely were.
INSERT INTO server_agents (server_id, agent_id) SELECT '00000000-0000-0000-0000-000000000000'::uuid, id FROM agents WHERE running;

ALTER TABLE worlds ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
UPDATE worlds SET created_at = (SELECT agents.created_at FROM agents WHERE agents.id = worlds.agent_id);

-- A channel of two is found by its name.
CREATE INDEX channels_by_name ON channels (server_id, name);

-- Up to which of its memories of a room an agent has looked back at them, by their ordinals; in the agent's own row.
ALTER TABLE participants ADD COLUMN reflected_to INTEGER NOT NULL DEFAULT 0;

-- What somebody told, in whatever room.
CREATE INDEX facts_of_author ON memories (agent_id, source_author_id, created_at) WHERE table_name = 'facts';

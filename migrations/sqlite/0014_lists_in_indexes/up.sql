-- What lists and checks ask of an agent stands in indexes: in the row it lies behind a character of any length. The first has all that a
-- list shows. Whose an agent is stands in it as an expression, so that a search for the agents of a channel does not begin with all agents
-- of an owner. It is made before the others, which are smaller and preferred to it where either would do.
DROP INDEX agents_of_owner;
CREATE INDEX agents_listed ON agents (coalesce(owner, ''), running DESC, created_at, id, name, substr(bio, 1, 1001));
CREATE UNIQUE INDEX agents_of_owner ON agents (owner, id);
CREATE UNIQUE INDEX agents_by_id ON agents (id, running, owner);

-- Lists in the order of age: the age of a message server, a world or a room lies behind its metadata.
CREATE INDEX message_servers_by_age ON message_servers (created_at);
DROP INDEX worlds_of_agent;
CREATE INDEX worlds_of_agent ON worlds (agent_id, created_at);
DROP INDEX rooms_of_agent;
CREATE INDEX rooms_of_agent ON rooms (agent_id, created_at, id);

DROP INDEX rooms_of_agent;
CREATE INDEX rooms_of_agent ON rooms (agent_id);
DROP INDEX worlds_of_agent;
CREATE INDEX worlds_of_agent ON worlds (agent_id);
DROP INDEX message_servers_by_age;
DROP INDEX agents_by_id;
DROP INDEX agents_listed;
DROP INDEX agents_of_owner;
CREATE INDEX agents_of_owner ON agents (owner) WHERE owner IS NOT NULL;

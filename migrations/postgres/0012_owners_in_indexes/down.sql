DROP INDEX channels_of_server;
CREATE INDEX channels_of_server ON channels (server_id, created_at);
DROP INDEX message_servers_of_owner;
CREATE INDEX message_servers_of_owner ON message_servers (owner) WHERE owner IS NOT NULL;

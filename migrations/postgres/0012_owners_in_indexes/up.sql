-- Whose a message server or a channel is stands in the index that it is found by: in the row it lies behind metadata, and who asks for
-- its own would read what others have written there.
DROP INDEX message_servers_of_owner;
CREATE UNIQUE INDEX message_servers_of_owner ON message_servers (owner, id);
DROP INDEX channels_of_server;
CREATE INDEX channels_of_server ON channels (server_id, created_at, owner);

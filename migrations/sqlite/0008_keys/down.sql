DROP TABLE api_keys;
DROP INDEX channels_of_owner;
DROP INDEX message_servers_of_owner;
DROP INDEX agents_of_owner;
ALTER TABLE channels DROP COLUMN owner;
ALTER TABLE message_servers DROP COLUMN owner;
ALTER TABLE agents DROP COLUMN owner;

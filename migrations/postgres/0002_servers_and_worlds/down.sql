DROP INDEX channels_by_name;
ALTER TABLE worlds DROP COLUMN created_at;
DROP TABLE server_agents;

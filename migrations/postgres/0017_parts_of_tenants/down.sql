DROP INDEX sessions_of_tenant;
ALTER TABLE sessions DROP COLUMN tenant;
DROP INDEX jobs_of_tenant;
ALTER TABLE jobs DROP COLUMN tenant;

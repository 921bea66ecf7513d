DROP INDEX agents_listed;

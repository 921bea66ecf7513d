-- PostgreSQL cleans up its index behind those who write.
SELECT 1;

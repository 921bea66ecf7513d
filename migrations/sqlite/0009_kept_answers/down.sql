ALTER TABLE idempotency DROP COLUMN answer;
ALTER TABLE idempotency DROP COLUMN status;

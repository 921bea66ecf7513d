-- What a request with an Idempotency-Key was answered, where it made something other than a message: message_id is the id of
-- whatever was made under the key.
ALTER TABLE idempotency ADD COLUMN status INTEGER;
ALTER TABLE idempotency ADD COLUMN answer TEXT;

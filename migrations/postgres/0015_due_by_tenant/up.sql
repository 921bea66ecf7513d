-- What is due for each tenant, and for the owner, so that nobody is looked for behind all that waits for another.
CREATE INDEX deliveries_due_for ON deliveries (tenant, due_at) WHERE due_at IS NOT NULL;

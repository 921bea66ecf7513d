DROP INDEX deliveries_due_for;

UPDATE deliveries SET due_at = due_at - 1000000000000000000 WHERE due_at >= 1000000000000000000;
DROP INDEX deliveries_put_away;

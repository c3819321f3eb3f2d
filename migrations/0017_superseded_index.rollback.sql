CREATE INDEX outbox_due ON outbox (due_at, id);

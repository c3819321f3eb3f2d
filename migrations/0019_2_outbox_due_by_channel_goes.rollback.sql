CREATE INDEX outbox_due_by_channel ON outbox (channel, due_at, id);

-- As outbox_due_by_channel, without `id`, for the same reason. Old code's claims go by it as well.
-- transactional: false
-- depends: 0018_2_leased_messages

CREATE INDEX CONCURRENTLY IF NOT EXISTS outbox_due_in_channel ON outbox (channel, due_at);

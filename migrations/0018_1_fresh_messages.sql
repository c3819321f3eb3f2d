-- New messages, in order. It takes the place of queue_messages_free together with the next one. Neither can be used for a look-up by
-- `id`: where PostgreSQL has found the table empty, and its dead rows are still there, it took queue_messages_free for that, and read
-- all of it (findings/postgres_wrong_index_after_analyze.sh).
-- transactional: false
-- depends: 0017_superseded_index

CREATE INDEX CONCURRENTLY IF NOT EXISTS queue_messages_fresh ON queue_messages (channel, id) WHERE lease_until = '-infinity';

-- Messages that somebody holds, or has given back.
-- transactional: false
-- depends: 0018_1_fresh_messages

CREATE INDEX CONCURRENTLY IF NOT EXISTS queue_messages_leased ON queue_messages (channel, lease_until)
 WHERE lease_until > '-infinity';

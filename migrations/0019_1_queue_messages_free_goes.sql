-- Old code that claims from this table goes on, and reads all of it for each claim: it is short. In the standalone deployment, the only one
-- that has its queue here unless it was told to, old and new code never run side by side.
-- transactional: false
-- depends: 0018_3_due_in_a_channel

DROP INDEX CONCURRENTLY IF EXISTS queue_messages_free;

-- Old code goes by outbox_due_in_channel, and sorts what is due at the same moment.
-- transactional: false
-- depends: 0019_1_queue_messages_free_goes

DROP INDEX CONCURRENTLY IF EXISTS outbox_due_by_channel;

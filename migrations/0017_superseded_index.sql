-- Each channel is published by itself since 0006, and so no statement reads by this index any more; it was written with each message.
-- Code from before 0006 would read the outbox without an index: it claims no worse than a table that is short.
-- depends: 0016_vacuum_of_queue_tables

DROP INDEX outbox_due;

DROP INDEX outbox_by_channel;

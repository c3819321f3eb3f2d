DROP INDEX outbox_due_in_channel;

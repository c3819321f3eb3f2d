CREATE INDEX queue_messages_free ON queue_messages (channel, lease_until, id);

DROP INDEX queue_messages_fresh;

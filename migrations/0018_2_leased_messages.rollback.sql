DROP INDEX queue_messages_leased;

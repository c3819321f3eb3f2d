"""The relay, which publishes outbox rows to the queue."""

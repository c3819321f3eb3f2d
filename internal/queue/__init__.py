"""Adapters of the queue: Kafka and PostgreSQL."""

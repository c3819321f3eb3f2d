"""Adapters of the object store: S3 and a folder; and the guards around them: circuit breaker, store id."""

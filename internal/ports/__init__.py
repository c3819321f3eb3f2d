"""Protocols of object store, queue, repository and sandbox, and their errors."""

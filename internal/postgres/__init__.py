"""Connections, pool, listener, migrations."""

"""A database of one's own on a server that tests share."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import msgspec
import psycopg

from tests.services.kinds import PostgresService


@contextmanager
def own_database(server: PostgresService, template: str = "template1") -> Iterator[PostgresService]:
    """A copy of `template`, dropped at the end also when a killed process's connection is still there."""
    name = f"test_{uuid4().hex[:16]}"
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    try:
        yield msgspec.structs.replace(server, database=name)
    finally:
        with psycopg.connect(server.conninfo, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())

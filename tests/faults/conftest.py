"""What fault tests need beside real services: a database that nobody else looks into."""

from collections.abc import Iterator
from uuid import uuid4

import msgspec
import psycopg
import pytest

from tests.services.kinds import PostgresService


@pytest.fixture
def own_database(postgres: PostgresService) -> Iterator[PostgresService]:
    """An empty database for one test, dropped at its end also when a killed process's connection is still there."""
    name = f"faults_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.conninfo, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        yield msgspec.structs.replace(postgres, database=name)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())

"""Migrations: repeatable, undoable, and not stopped by one that was killed."""

import msgspec
import psycopg

from internal.repository.migrations import migrate, roll_back
from internal.settings import Database
from tests.services.databases import own_database
from tests.services.kinds import PostgresService


def test_migrating_again_and_back_and_again(postgres: PostgresService, database_settings: Database) -> None:
    with own_database(postgres) as fresh:
        settings = msgspec.structs.replace(database_settings, name=fresh.database)
        migrate(settings)
        migrate(settings)
        assert "renditions" in _tables(settings)
        roll_back(settings)
        assert "renditions" not in _tables(settings)
        _leave_a_lock_behind(settings)
        migrate(settings)
        assert "renditions" in _tables(settings)


def _leave_a_lock_behind(settings: Database) -> None:
    """What a `kill -9` in the middle of a migration leaves in yoyo's table."""
    with _connected(settings) as connection:
        connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 99999)")


def _tables(settings: Database) -> set[str]:
    with _connected(settings) as connection:
        return {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def _connected(settings: Database) -> psycopg.Connection:
    return psycopg.connect(
        host=settings.host, port=settings.port, user=settings.user, password=settings.password, dbname=settings.name
    )

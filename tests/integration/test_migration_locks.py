"""A migration beside transactions that stay open, as a dump's does: nobody waits long behind it, and it gets its lock at last."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
import yoyo
from structlog.testing import capture_logs

from internal.domain.errors import DatabaseBusy, DatabaseUnavailable
from internal.postgres import migrations
from internal.postgres.migrations import MIGRATIONS, migrate
from internal.postgres.settings import DatabaseSettings
from tests.services.databases import own_database
from tests.services.kinds import PostgresService
from tests.services.waiting import wait_until

ADD_COLUMN = "ALTER TABLE images ADD COLUMN of_a_test text;"
BUILD_INDEX = """
-- An index, built beside writers.
-- transactional: false

CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS images_of_a_test ON images (filename);
"""
TOO_LONG = 60.0
A_READ_MAY_TAKE = "3s"

HAS_COLUMN = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'of_a_test'"
INDEX = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('images_of_a_test')"
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)

Write = Callable[[str, str], None]


@pytest.fixture
def own(postgres: PostgresService, database_settings: DatabaseSettings) -> Iterator[PostgresService]:
    with own_database(postgres) as own:
        yield own


@pytest.fixture
def settings(own: PostgresService) -> DatabaseSettings:
    settings = own.settings()
    migrate(settings)
    return settings


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Adds a migration beside the real ones."""
    folder = shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    monkeypatch.setattr(migrations, "MIGRATIONS", folder)

    def write(name: str, text: str) -> None:
        (folder / f"{name}.sql").write_text(text)

    return write


@pytest.fixture
def session(own: PostgresService) -> Iterator[psycopg.Connection]:
    with psycopg.connect(own.conninfo, autocommit=True) as connection:
        yield connection


@contextmanager
def reading(own: PostgresService) -> Iterator[psycopg.Connection]:
    """A transaction that has read images, as pg_dump does, and stays open."""
    with closing(psycopg.connect(own.conninfo, application_name="a dump")) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT count(*) FROM images")
        yield reader


def value(connection: psycopg.Connection, statement: str) -> object:
    row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


def test_reads_continue_behind_a_migration_that_waits(
    own: PostgresService, settings: DatabaseSettings, add: Write, session: psycopg.Connection
) -> None:
    add("9999_a_column", ADD_COLUMN)
    session.execute(f"SET statement_timeout = '{A_READ_MAY_TAKE}'".encode())
    with ThreadPoolExecutor(1) as thread, reading(own) as reader, capture_logs() as lines:
        migrating = thread.submit(migrate, settings)

        def has_given_way_twice() -> bool:
            session.execute("SELECT count(*) FROM images")  # raises when it takes too long
            return len([line for line in lines if line["event"] == "migrate.waits_for_lock"]) >= 2

        wait_until(has_given_way_twice, within=TOO_LONG)
        assert not migrating.done()
        reader.rollback()
        migrating.result(TOO_LONG)
    assert value(session, HAS_COLUMN) == 1


def test_it_says_what_it_waits_for_and_gives_up_in_time(
    own: PostgresService, settings: DatabaseSettings, add: Write, session: psycopg.Connection
) -> None:
    add("9999_a_column", ADD_COLUMN)
    with reading(own) as reader, capture_logs() as lines:
        with pytest.raises(DatabaseBusy) as told:
            migrate(settings, lock_seconds=2)
        holder = f"process {reader.info.backend_pid} (a dump, idle in transaction)"
        assert told.value.detail.startswith("The migration 9999_a_column got no lock within 2 seconds. In its way: " + holder)
        assert any(line["event"] == "migrate.waits_for_lock" and line["holders"].startswith(holder) for line in lines)
        assert value(session, HAS_COLUMN) == 0

    migrate(settings)

    assert value(session, HAS_COLUMN) == 1


def test_an_index_is_built_beside_readers_and_writers(
    own: PostgresService, settings: DatabaseSettings, add: Write, session: psycopg.Connection
) -> None:
    """It waits for them however long it takes, and nobody waits for it."""
    add("9999_an_index", BUILD_INDEX)
    with psycopg.connect(own.conninfo, autocommit=True) as looker, ThreadPoolExecutor(1) as thread, reading(own) as reader:
        migrating = thread.submit(migrate, settings)
        session.execute(f"SET statement_timeout = '{A_READ_MAY_TAKE}'".encode())
        wait_until(lambda: value(looker, WAITS) == 1 or migrating.done(), within=TOO_LONG)
        assert not migrating.done()
        add_image(session, "beside.jpg")
        session.execute("SELECT count(*) FROM images")
        reader.rollback()
        migrating.result(TOO_LONG)
    assert value(session, INDEX) is True


def test_an_invalid_index_is_built_again(settings: DatabaseSettings, add: Write, session: psycopg.Connection) -> None:
    """Left by a build that found two rows alike."""
    add("9999_an_index", BUILD_INDEX)
    add_image(session, "twice.jpg")
    add_image(session, "twice.jpg")
    with pytest.raises(psycopg.errors.UniqueViolation):
        migrate(settings)
    assert value(session, INDEX) is False

    session.execute("DELETE FROM images")
    migrate(settings)

    assert value(session, INDEX) is True


@pytest.mark.filterwarnings("ignore:Nested transaction requested")  # yoyo's, of a connection that is gone
def test_an_interrupted_build_is_built_again(
    own: PostgresService, settings: DatabaseSettings, add: Write, session: psycopg.Connection
) -> None:
    """As by a server that restarts, in the middle of it."""
    add("9999_an_index", BUILD_INDEX)
    with ThreadPoolExecutor(1) as thread, reading(own):
        migrating = thread.submit(migrate, settings)
        wait_until(lambda: value(session, WAITS) == 1 or migrating.done(), within=TOO_LONG)
        session.execute(END_OTHERS)
        assert isinstance(migrating.exception(TOO_LONG), DatabaseUnavailable)
        assert value(session, INDEX) is False

    migrate(settings)

    assert value(session, INDEX) is True


def test_the_server_ends_what_a_killed_migrate_was_doing(settings: DatabaseSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = yoyo.get_backend
    opened: list[yoyo.backends.DatabaseBackend] = []

    def look(address: str) -> yoyo.backends.DatabaseBackend:
        opened.append(connect(address))
        monkeypatch.setattr(opened[0], "to_apply", seen)
        return opened[0]

    def seen(_: object) -> list[object]:
        assert value(opened[0].connection, "SHOW client_connection_check_interval") == "1s"
        return []

    monkeypatch.setattr(yoyo, "get_backend", look)
    migrate(settings)
    assert opened


def add_image(connection: psycopg.Connection, filename: str) -> None:
    connection.execute(
        """
        INSERT INTO images (id, owner, status, original_key, media_type, size, sha256, filename)
        VALUES (gen_random_uuid(), 'anonymous', 'uploaded', gen_random_uuid()::text, 'image/jpeg', 1, 'sha256', %s)
        """,
        [filename],
    )

"""Migrations: repeatable, undoable, not stopped by one that was killed, and never waiting for ever."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import psycopg
import pytest
import yoyo
from psycopg.conninfo import conninfo_to_dict

from internal.domain.errors import DatabaseUnavailable
from internal.postgres import migrations
from internal.postgres.migrations import LOCK, migrate, roll_back
from internal.postgres.pool import connection_string
from internal.postgres.settings import DatabaseSettings
from tests.services.databases import own_database
from tests.services.kinds import PostgresService
from tests.services.proxy import Proxy, proxy_thread
from tests.services.waiting import wait_until

TOO_LONG = 60.0  # seconds: far above what a call here may take, and there to end the test


def test_migrating_again_and_back_and_again(postgres: PostgresService, database_settings: DatabaseSettings) -> None:
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


@pytest.fixture
def held(database_settings: DatabaseSettings) -> Iterator[psycopg.Connection]:
    """Another migration, as the database sees it: it ends when this connection does."""
    with _connected(database_settings) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        connection.commit()
        yield connection


@pytest.fixture
def proxy(database_settings: DatabaseSettings) -> Iterator[Proxy]:
    with proxy_thread(database_settings.host, database_settings.port) as proxy:
        yield proxy


def _behind(proxy: Proxy, settings: DatabaseSettings, timeout_seconds: float = 0.5) -> DatabaseSettings:
    """The way through the proxy, for the impatient."""
    return msgspec.structs.replace(settings, host="127.0.0.1", port=proxy.port, timeout_seconds=timeout_seconds)


@pytest.mark.usefixtures("held")
def test_the_wait_for_a_migration_that_stands_still_is_bounded(
    database_settings: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_SECONDS", 0.1)

    with ThreadPoolExecutor(1) as elsewhere:
        told = elsewhere.submit(migrate, database_settings).exception(TOO_LONG)

    assert isinstance(told, DatabaseUnavailable)
    assert told.detail == "Another migration holds the database's lock, and has not ended within 0.1 seconds."
    assert repr(told.__cause__) == f"TimeoutError('advisory lock {LOCK}')"


def test_a_migration_that_ends_is_waited_for(database_settings: DatabaseSettings, held: psycopg.Connection, proxy: Proxy) -> None:
    with ThreadPoolExecutor(1) as elsewhere:
        waiting = elsewhere.submit(migrate, _behind(proxy, database_settings, timeout_seconds=TOO_LONG))
        wait_until(lambda: proxy.requests > 6 or waiting.done(), within=TOO_LONG)  # it has looked more than once
        assert not waiting.done()
        held.close()
        waiting.result(TOO_LONG)


@pytest.mark.usefixtures("held")
def test_the_wait_for_a_database_that_falls_silent_is_bounded(database_settings: DatabaseSettings, proxy: Proxy) -> None:
    with ThreadPoolExecutor(1) as elsewhere:
        waiting = elsewhere.submit(migrate, _behind(proxy, database_settings))
        wait_until(lambda: proxy.requests > 6 or waiting.done(), within=TOO_LONG)
        proxy.silent = True
        assert isinstance(waiting.exception(TOO_LONG), DatabaseUnavailable)


def test_a_database_that_is_silent_from_the_second_connection_on(
    database_settings: DatabaseSettings, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """yoyo's own."""
    connect = yoyo.get_backend

    def connect_to_silence(address: str) -> Any:
        proxy.silent = True
        return connect(address)

    monkeypatch.setattr(yoyo, "get_backend", connect_to_silence)
    with ThreadPoolExecutor(1) as elsewhere:
        told = elsewhere.submit(migrate, _behind(proxy, database_settings)).exception(TOO_LONG)

    assert isinstance(told, DatabaseUnavailable)


def test_the_migrating_connection_has_network_timeouts_and_no_server_timeouts(
    database_settings: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration may run long; a network that is gone ends it."""
    connect = yoyo.get_backend
    seen: list[tuple[dict[str, str], Any]] = []
    asked = "SELECT current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout')"

    def look(address: str) -> Any:
        backend = connect(address)
        seen.append((backend.connection.info.get_parameters(), backend.execute(asked).fetchone()))
        return backend

    monkeypatch.setattr(yoyo, "get_backend", look)
    migrate(database_settings)

    [(of_network, of_server)] = seen
    expected = {name: str(value) for name, value in conninfo_to_dict(connection_string(database_settings)).items()}
    limits = {"connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
    assert {name: of_network.get(name) for name in limits} == {name: expected[name] for name in limits}
    assert of_server == ("0", "0")


def _leave_a_lock_behind(settings: DatabaseSettings) -> None:
    """What a `kill -9` in the middle of a migration leaves in yoyo's table."""
    with _connected(settings) as connection:
        connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 99999)")


def _tables(settings: DatabaseSettings) -> set[str]:
    with _connected(settings) as connection:
        return {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def _connected(settings: DatabaseSettings) -> psycopg.Connection:
    return psycopg.connect(
        host=settings.host, port=settings.port, user=settings.user, password=settings.password.reveal(), dbname=settings.name
    )

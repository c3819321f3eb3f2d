"""`make migrate`, killed in the middle and run again; and started before what it needs."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from internal.postgres.migrations import migrate, roll_back
from internal.postgres.settings import DatabaseSettings
from internal.settings.loader import load_settings
from tests.e2e.processes import environment, running
from tests.services import run
from tests.services.databases import own_database
from tests.services.kinds import PostgresService
from tests.services.proxy import proxy_thread
from tests.services.waiting import wait_until

WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
TABLES = "SELECT count(*) FROM pg_tables WHERE tablename IN ('images', 'renditions', 'queue_messages', 'dead_letters')"


@pytest.fixture
def database() -> Iterator[PostgresService]:
    with own_database(run.acquire(PostgresService)) as database:
        yield database


def settings_of(database: PostgresService, **more: object) -> dict[str, str]:
    """No topics are to be made."""
    return environment(**{**database.variables, "STORAGE_BACKEND": "filesystem", "QUEUE_BACKEND": "postgres", **more})


def in_process(database: PostgresService) -> DatabaseSettings:
    return load_settings(settings_of(database)).database


def rows(connection: psycopg.Connection, statement: str) -> Any:
    found = connection.execute(statement.encode()).fetchone()
    return found[0] if found else None


@pytest.mark.parametrize(
    "obstacle",
    [
        "CREATE TABLE images ()",  # in the first migration
        "CREATE TABLE queue_messages ()",  # in the second
        "LOCK TABLE _yoyo_migration IN SHARE MODE",  # done, and not yet written down
    ],
)
def test_killed_and_run_again(database: PostgresService, tmp_path: Path, obstacle: str) -> None:
    migrate(in_process(database))
    roll_back(in_process(database))
    with psycopg.connect(database.conninfo) as holder, psycopg.connect(database.conninfo, autocommit=True) as looker:
        holder.execute(obstacle.encode())  # whoever wants the same waits for the end of this transaction
        with running("migrate", tmp_path / "killed", settings_of(database, STORAGE_PATH=tmp_path / "objects")) as killed:
            wait_until(lambda: rows(looker, WAITS) == 1, within=30)
            killed.signal(signal.SIGKILL)
            killed.wait()
        holder.rollback()
        with running("migrate", tmp_path / "again", settings_of(database, STORAGE_PATH=tmp_path / "objects")) as again:
            assert again.wait() == 0, again.said()
        assert rows(looker, TABLES) == 4


def test_started_before_the_database(database: PostgresService, tmp_path: Path) -> None:
    with proxy_thread(database.host, database.port) as proxy:
        proxy.away = True
        behind = settings_of(database, DB_HOST="127.0.0.1", DB_PORT=proxy.port, STORAGE_PATH=tmp_path / "objects")
        with running("migrate", tmp_path / "log", {**behind, "MIGRATE_WAIT_SECONDS": "30"}) as patient:
            wait_until(lambda: proxy.connections > 1, within=30)
            proxy.away = False
            assert patient.wait() == 0, patient.said()
        proxy.away = True
        with running("migrate", tmp_path / "log", {**behind, "MIGRATE_WAIT_SECONDS": "0"}) as impatient:
            assert impatient.wait() == 1
            assert "migrate: " in impatient.said()
            assert "Traceback" not in impatient.said()

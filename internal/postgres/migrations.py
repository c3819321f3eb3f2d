"""The schema's migrations, by yoyo: SQL files under `migrations/`, each with its rollback.

Migrations are forward-safe: the old code runs on the new schema, so that processes can be replaced one after the other. How one
is written: docs/running/upgrade.md.
"""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlencode

import psycopg
import structlog
import yoyo
from psycopg.abc import RV, PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import _WaitTimeout
from psycopg.rows import TupleRow

from internal.domain.errors import DatabaseUnavailable
from internal.postgres import first_release
from internal.postgres.migration_locks import apply, short_locks, with_locks
from internal.postgres.pool import connection_string, translated
from internal.postgres.settings import DatabaseSettings
from internal.runtime.project import PROJECT

log = structlog.get_logger(__name__)

MIGRATIONS = PROJECT / "migrations"
LOCK = 5_072_026
"""The advisory lock that only one migration holds; any number that nobody else uses."""

LOCK_SECONDS, LOCK_PAUSE_SECONDS = 600.0, 0.5
"""How long one waits for another, which may have much to do, or may stand still; and the time between two looks."""

TAKE_LOCK = f"SELECT pg_try_advisory_lock({LOCK})"


def migrate(settings: DatabaseSettings, *, lock_seconds: float = LOCK_SECONDS) -> None:
    """Apply what is missing. Several may call it at once: one does it, the others wait for it.

    Each migration is done as a whole or not at all, and tries for `lock_seconds` to get its locks beside dumps and other long
    transactions. Raises DatabaseUnavailable, also when the other one has not ended after LOCK_SECONDS; DatabaseBusy when a lock
    could not be had. What was applied before stays. A migration itself may take any time, as long as the network holds.
    """
    with translated(), _alone(settings), _backend(settings) as backend:
        backend.break_lock()  # left by one that was killed: we hold the real lock
        migrations = backend.to_apply(yoyo.read_migrations(str(MIGRATIONS)))
        with backend.lock():
            if _is_first_release(backend):
                with_locks(backend, first_release.NEXT, lambda: _hide_new_columns(backend), lock_seconds=lock_seconds)
            for migration in migrations:
                apply(backend, migration, lock_seconds=lock_seconds)
            _put_back_if_unused(backend)
        log.info("migrated", applied=[migration.id for migration in migrations])


def _is_first_release(backend: yoyo.backends.DatabaseBackend) -> bool:
    """Whether the first release's code may be at work on this database, and no newer one."""
    applied = {migration.id for migration in backend.to_rollback(yoyo.read_migrations(str(MIGRATIONS)))}
    return first_release.LAST_OF_FIRST_RELEASE in applied and first_release.NEXT not in applied


def _hide_new_columns(backend: yoyo.backends.DatabaseBackend) -> None:
    """A migrate that was killed behind it finds it done."""
    if not first_release.is_hidden(backend.connection):
        with short_locks(backend):
            first_release.hide_new_columns(backend.connection)


def _put_back_if_unused(backend: yoyo.backends.DatabaseBackend) -> None:
    """No hurry: when somebody holds a lock, the next migrate does it."""
    if not first_release.is_hidden(backend.connection) or first_release.old_code_is_connected(backend.connection):
        return
    with suppress(psycopg.errors.LockNotAvailable), short_locks(backend):
        first_release.put_back(backend.connection)


def roll_back(settings: DatabaseSettings) -> None:
    """Undo every migration, newest first: all data is lost. For tests and for starting over."""
    with translated(), _alone(settings), _backend(settings) as backend, backend.lock():
        with backend.transaction():
            first_release.put_back(backend.connection)
        backend.rollback_migrations(backend.to_rollback(yoyo.read_migrations(str(MIGRATIONS))))


class _Connection(psycopg.Connection[TupleRow]):
    """Waits for no answer for ever: for as long as BoundedConnection does."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """For psycopg: all that a connection waits for, once it is open, goes through here."""
        patience = int(self.info.get_parameters()["tcp_user_timeout"]) / 1000
        try:
            return super().wait(gen, interval, patience if timeout is None else timeout)
        except _WaitTimeout as error:  # private: see BoundedConnection
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer for {patience:g} seconds") from error


@contextmanager
def _alone(settings: DatabaseSettings) -> Iterator[None]:
    """Hold the advisory lock: it goes with its connection, also when the process is killed, and so can't be left behind.

    INVARIANT: nobody waits for ever, neither for another migration that stands still nor for a silent database
    (tests/integration/test_migrations.py::test_a_migration_that_stands_still_is_not_waited_for_for_ever).
    """
    with _Connection.connect(connection_string(settings), autocommit=True) as connection:
        if not _taken(connection):
            log.info("migrate.waits_for_another", seconds=LOCK_SECONDS)
            _wait_for_lock(connection)
        yield


def _wait_for_lock(connection: _Connection) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while not _taken(connection):
        if time.monotonic() > deadline:
            told = f"Another migration holds the database's lock, and has not ended within {LOCK_SECONDS:g} seconds."
            raise DatabaseUnavailable(told) from TimeoutError(f"advisory lock {LOCK}")
        time.sleep(LOCK_PAUSE_SECONDS)


def _taken(connection: _Connection) -> bool:
    return connection.execute(TAKE_LOCK).fetchone() == (True,)


@contextmanager
def _backend(settings: DatabaseSettings) -> Iterator[yoyo.backends.DatabaseBackend]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # yoyo's own
        backend = yoyo.get_backend(_address(settings))
    try:
        _end_with_its_client(backend.connection)
        yield backend
    finally:
        backend.connection.close()


def _end_with_its_client(connection: psycopg.Connection[TupleRow]) -> None:
    """Let the server end what it does for a migrate that was killed, within a second, so that the next one need not wait for it.

    PostgreSQL has it from version 14 on, and not on every platform; without it the server goes on to the end of the statement.
    """
    if connection.info.server_version >= 140000:
        with suppress(psycopg.errors.InvalidParameterValue):
            connection.execute("SET client_connection_check_interval = '1s'")


def _address(settings: DatabaseSettings) -> str:
    """yoyo wants a URL. The network's limits are those of the pool, the server's are not: a migration may take its time."""
    parameters = conninfo_to_dict(connection_string(settings))
    del parameters["options"]
    return f"postgresql+psycopg:///?{urlencode(parameters)}"

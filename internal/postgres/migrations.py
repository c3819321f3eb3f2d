"""The schema's migrations, by yoyo: SQL files under `migrations/`, each with its rollback.

Migrations are forward-safe: the old code runs on the new schema, so that processes can be replaced one by one. How to write one:
docs/running/upgrade.md.
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
"""Key of the advisory lock that one migrate at a time holds. Any number that is not in use."""

LOCK_SECONDS, LOCK_PAUSE_SECONDS = 600.0, 0.5
"""How long one migrate waits for another, which may have much to do or may stand still; and the pause between two tries."""

TAKE_LOCK = f"SELECT pg_try_advisory_lock({LOCK})"


def migrate(settings: DatabaseSettings, *, lock_seconds: float = LOCK_SECONDS) -> None:
    """Apply the missing migrations. Several processes may call it at once: one applies them, the others wait.

    Each migration is applied as a whole or not at all, and tries for `lock_seconds` to get its locks beside dumps and other long
    transactions. Raises DatabaseUnavailable, also if another migrate has not ended after LOCK_SECONDS, and DatabaseBusy if it
    gets no lock. Earlier migrations stay applied. A migration itself has no time limit, as long as the network holds.
    """
    with translated(), _alone(settings), _backend(settings) as backend:
        backend.break_lock()  # left by a migrate that was killed: this one holds the advisory lock
        migrations = backend.to_apply(yoyo.read_migrations(str(MIGRATIONS)))
        with backend.lock():
            if _is_first_release(backend):
                with_locks(backend, first_release.NEXT, lambda: _hide_new_columns(backend), lock_seconds=lock_seconds)
            for migration in migrations:
                apply(backend, migration, lock_seconds=lock_seconds)
            _put_back_if_unused(backend)
        log.info("migrated", applied=[migration.id for migration in migrations])


def _is_first_release(backend: yoyo.backends.DatabaseBackend) -> bool:
    """Whether processes of the first release, and none of newer code, may be using this database."""
    applied = {migration.id for migration in backend.to_rollback(yoyo.read_migrations(str(MIGRATIONS)))}
    return first_release.LAST_OF_FIRST_RELEASE in applied and first_release.NEXT not in applied


def _hide_new_columns(backend: yoyo.backends.DatabaseBackend) -> None:
    """Once: a migrate that was killed after it may have done it already."""
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
    """As BoundedConnection: the wait for an answer is bounded."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Called by psycopg for every wait of an open connection."""
        patience = int(self.info.get_parameters()["tcp_user_timeout"]) / 1000
        try:
            return super().wait(gen, interval, patience if timeout is None else timeout)
        except _WaitTimeout as error:  # private: see BoundedConnection
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer for {patience:g} seconds") from error


@contextmanager
def _alone(settings: DatabaseSettings) -> Iterator[None]:
    """Hold the advisory lock. It ends with its connection, also if the process is killed, so it can't be left behind.

    INVARIANT: the wait is bounded, for another migrate that stands still and for a silent database
    (tests/integration/test_migrations.py::test_the_wait_for_a_migration_that_stands_still_is_bounded).
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
            detail = f"Another migration holds the database's lock, and has not ended within {LOCK_SECONDS:g} seconds."
            raise DatabaseUnavailable(detail) from TimeoutError(f"advisory lock {LOCK}")
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
    """Let the server end the statement of a migrate that was killed within a second, so that the next one need not wait.

    PostgreSQL has this setting from version 14 on, and not on every platform. Without it the statement runs to its end.
    """
    if connection.info.server_version >= 140000:
        with suppress(psycopg.errors.InvalidParameterValue):
            connection.execute("SET client_connection_check_interval = '1s'")


def _address(settings: DatabaseSettings) -> str:
    """The URL for yoyo. It has the pool's network timeouts and none of its server timeouts: a migration may take long."""
    parameters = conninfo_to_dict(connection_string(settings))
    del parameters["options"]
    return f"postgresql+psycopg:///?{urlencode(parameters)}"

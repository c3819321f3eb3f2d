"""The schema's migrations, by yoyo: SQL files under `migrations/`, each with its rollback.

Migrations are forward-safe: the old code runs on the new schema, so that processes can be replaced one after the other.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlencode

import psycopg
import structlog
import yoyo

from internal.errors import DatabaseUnavailable
from internal.repository.pool import connection_string
from internal.settings import PROJECT, Database

log = structlog.get_logger(__name__)

MIGRATIONS = PROJECT / "migrations"
LOCK = 5_072_026
"""The advisory lock that only one migration holds; any number that nobody else uses."""


def migrate(settings: Database) -> None:
    """Apply what is missing. Several may call it at once: one does it, the others wait. Raises DatabaseUnavailable."""
    with _alone(settings), _backend(settings) as backend:
        backend.break_lock()  # left by one that was killed: we hold the real lock
        migrations = backend.to_apply(yoyo.read_migrations(str(MIGRATIONS)))
        with backend.lock():
            for migration in migrations:
                _apply(backend, migration)
        log.info("migrated", applied=[migration.id for migration in migrations])


def _apply(backend: yoyo.backends.DatabaseBackend, migration: yoyo.migrations.Migration) -> None:
    """Carry it out and write down that it is done, in one transaction; yoyo's own way takes two.

    INVARIANT: killed in between, two would leave a schema that the next run can't apply again
    (tests/faults/test_migrate.py::test_killed_and_run_again).
    """
    with backend.transaction():
        migration.process_steps(backend, "apply")
        backend.mark_one(migration)


def roll_back(settings: Database) -> None:
    """Undo every migration, newest first: all data is lost. For tests and for starting over."""
    with _alone(settings), _backend(settings) as backend, backend.lock():
        backend.rollback_migrations(backend.to_rollback(yoyo.read_migrations(str(MIGRATIONS))))


@contextmanager
def _alone(settings: Database) -> Iterator[None]:
    """Hold the advisory lock: it goes with its connection, also when the process is killed, and so can't be left behind."""
    try:
        connection = psycopg.connect(connection_string(settings), autocommit=True)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable from error
    with connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        yield


@contextmanager
def _backend(settings: Database) -> Iterator[yoyo.backends.DatabaseBackend]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # yoyo's own
        backend = yoyo.get_backend(_address(settings))
    try:
        yield backend
    finally:
        backend.connection.close()


def _address(settings: Database) -> str:
    """yoyo wants a URL; a Unix socket's folder goes into its query."""
    user = f"{quote(settings.user, safe='')}:{quote(settings.password, safe='')}"
    query = {"sslmode": settings.ssl_mode}
    if settings.host.startswith("/"):
        query["host"] = settings.host
        return f"postgresql+psycopg://{user}@:{settings.port}/{settings.name}?{urlencode(query)}"
    return f"postgresql+psycopg://{user}@{settings.host}:{settings.port}/{settings.name}?{urlencode(query)}"

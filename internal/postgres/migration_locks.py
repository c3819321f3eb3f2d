"""Applies one migration beside a running service, without blocking it for long behind a lock that the migration waits for.

PostgreSQL grants locks in the order of the requests. An ALTER TABLE that waits for a dump also blocks every statement that comes
after it, reads included. So a migration waits for LOCK_TIMEOUT_SECONDS, gives up, lets the others go first, and tries again. An
index is built concurrently, outside a transaction: it waits for old transactions, and blocks nothing.
"""

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import structlog
import yoyo
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from internal.domain.errors import DatabaseBusy
from internal.postgres.first_release import LOOK_INTO

log = structlog.get_logger(__name__)

LOCK_TIMEOUT_SECONDS = 1.0
"""How long others are blocked by a migration that waits for a lock. Well below DB_TIMEOUT_SECONDS, after which they fail."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 15.0
"""Pauses between two tries: doubled each time, with jitter."""

HOLDERS_SHOWN = 3

HOLDERS = """
    -- Sessions that lock one of our tables, longest first: dumps and forgotten sessions.
    SELECT a.pid, coalesce(nullif(a.application_name, ''), 'no name') AS application, coalesce(a.state, 'state unknown') AS state,
           coalesce(round(extract(epoch FROM now() - a.xact_start)), 0)::bigint AS seconds, string_agg(DISTINCT c.relname, ', ')
      FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = l.relation
     WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid) AND NOT c.relname LIKE 'pg\\_%%' AND a.pid <> pg_backend_pid()
     GROUP BY a.pid, a.application_name, a.state, a.xact_start ORDER BY a.xact_start LIMIT %s
"""

INVALID_INDEX = """
    -- Left by a concurrent build that failed or was killed: every write pays for it, and no query uses it.
    SELECT true FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE c.relname = %s AND pg_table_is_visible(c.oid) AND NOT i.indisvalid
"""

BUILDS_INDEX = re.compile(r"\bCREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+IF\s+NOT\s+EXISTS\s+(\w+)", re.IGNORECASE)

_GIVEN_UP = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)


def apply(backend: yoyo.backends.DatabaseBackend, migration: yoyo.migrations.Migration, *, lock_seconds: float) -> None:
    """Apply a migration and record it as applied. Tries for `lock_seconds` to get its locks.

    Raises DatabaseBusy, which names the sessions that hold the locks, if it gets none; then nothing is changed.
    """
    run = _in_a_transaction if migration.use_transactions else _outside_transactions
    with_locks(backend, migration.id, lambda: run(backend, migration), lock_seconds=lock_seconds)


def with_locks(backend: yoyo.backends.DatabaseBackend, name: str, work: Callable[[], None], *, lock_seconds: float) -> None:
    """Do `work`; retry it for `lock_seconds` while it does not get its locks. Raises DatabaseBusy."""
    deadline = time.monotonic() + lock_seconds
    for pause in _pauses():
        try:
            work()
        except _GIVEN_UP as error:
            holders = _holders(backend)
            if time.monotonic() + pause > deadline:
                detail = f"The migration {name} got no lock within {lock_seconds:g} seconds. In its way: {holders}."
                raise DatabaseBusy(detail) from error
            log.warning("migrate.waits_for_lock", migration=name, holders=holders, next_try_seconds=round(pause, 1))
        else:
            return
        time.sleep(pause)


@contextmanager
def short_locks(backend: yoyo.backends.DatabaseBackend) -> Iterator[None]:
    """Transaction in which waiting for a lock for LOCK_TIMEOUT_SECONDS raises one of _GIVEN_UP."""
    with backend.transaction():
        backend.execute(f"SET LOCAL lock_timeout = '{int(LOCK_TIMEOUT_SECONDS * 1000)}ms'")
        yield


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - it spreads load and guards nothing
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _in_a_transaction(backend: yoyo.backends.DatabaseBackend, migration: yoyo.migrations.Migration) -> None:
    """Apply and record the migration in one transaction; yoyo itself takes two.

    INVARIANT: a migrate that is killed between two transactions would leave a schema to which the next one can't apply it again
    (tests/faults/test_migrate.py::test_killed_and_run_again).
    """
    with short_locks(backend):
        with _looking_into_new_code(backend.connection):
            migration.process_steps(backend, "apply")
        backend.mark_one(migration)


def _outside_transactions(backend: yoyo.backends.DatabaseBackend, migration: yoyo.migrations.Migration) -> None:
    """Build an index concurrently, which PostgreSQL does outside transactions, then record the migration.

    After a kill in between, the next run finds the index (IF NOT EXISTS), or finds it invalid and builds it again.

    INVARIANT: an index that a build left invalid is dropped before the next try
    (tests/integration/test_migration_locks.py::test_an_invalid_index_is_built_again).
    """
    with _looking_into_new_code(backend.connection):
        for index in BUILDS_INDEX.findall(migration.source):
            if backend.connection.execute(INVALID_INDEX, [index]).fetchone() is not None:
                log.warning("migrate.drops_invalid_index", index=index)
                backend.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
        migration.process_steps(backend, "apply")
    with backend.transaction():
        backend.mark_one(migration)


@contextmanager
def _looking_into_new_code(connection: psycopg.Connection[TupleRow]) -> Iterator[None]:
    """Set the search_path for a migration's own statements; yoyo's tables are found by the default one."""
    connection.execute(LOOK_INTO)
    try:
        yield
    finally:
        if connection.info.transaction_status in (TransactionStatus.IDLE, TransactionStatus.INTRANS):
            connection.execute("RESET search_path")  # in a failed transaction its end does it


def _holders(backend: yoyo.backends.DatabaseBackend) -> str:
    """The sessions that hold locks on our tables now, for an error message."""
    rows = backend.connection.execute(HOLDERS, [HOLDERS_SHOWN]).fetchall()
    shown = [
        f"process {pid} ({application}, {state}) with a transaction of {seconds} s on {tables}"
        for pid, application, state, seconds, tables in rows
    ]
    return "; ".join(shown) or "sessions that have ended meanwhile"

"""One migration, applied beside a service at work: it makes nobody wait for long behind a lock that it waits for itself.

PostgreSQL grants locks in the order in which they are asked for. An ALTER TABLE that waits for a dump to end makes all statements
that come after it wait too, reads included. So a migration asks for LOCK_TIMEOUT_SECONDS, gives up, lets the others go first,
and asks again. An index is built concurrently, outside a transaction: it waits for old transactions, and nobody waits for it.
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
"""How long others wait behind a migration that waits for a lock. Well below DB_TIMEOUT_SECONDS, after which they would fail."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 15.0
"""Between two tries: doubled each time, with jitter."""

HOLDERS_SHOWN = 3

HOLDERS = """
    -- Whoever has had one of our tables locked for longest, dumps and forgotten sessions first.
    SELECT a.pid, coalesce(nullif(a.application_name, ''), 'no name') AS application, coalesce(a.state, 'state unknown') AS state,
           coalesce(round(extract(epoch FROM now() - a.xact_start)), 0)::bigint AS seconds, string_agg(DISTINCT c.relname, ', ')
      FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = l.relation
     WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid) AND NOT c.relname LIKE 'pg\\_%%' AND a.pid <> pg_backend_pid()
     GROUP BY a.pid, a.application_name, a.state, a.xact_start ORDER BY a.xact_start LIMIT %s
"""

INVALID_INDEX = """
    -- What a concurrent build leaves that failed or was killed: it costs every write, and no query uses it.
    SELECT true FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE c.relname = %s AND pg_table_is_visible(c.oid) AND NOT i.indisvalid
"""

BUILDS_INDEX = re.compile(r"\bCREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+IF\s+NOT\s+EXISTS\s+(\w+)", re.IGNORECASE)

_GIVEN_UP = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)


def apply(backend: yoyo.backends.DatabaseBackend, migration: yoyo.migrations.Migration, *, lock_seconds: float) -> None:
    """Carry a migration out and write down that it is done; try for `lock_seconds` to get its locks.

    Raises DatabaseBusy, naming who holds them, when they can't be had for so long: then nothing of it has been done.
    """
    carry_out = _in_a_transaction if migration.use_transactions else _by_itself
    with_locks(backend, migration.id, lambda: carry_out(backend, migration), lock_seconds=lock_seconds)


def with_locks(backend: yoyo.backends.DatabaseBackend, name: str, work: Callable[[], None], *, lock_seconds: float) -> None:
    """Do `work`, again and again for so long while it does not get its locks. Raises DatabaseBusy."""
    deadline = time.monotonic() + lock_seconds
    for pause in _pauses():
        try:
            work()
        except _GIVEN_UP as error:
            holders = _holders(backend)
            if time.monotonic() + pause > deadline:
                told = f"The migration {name} got no lock within {lock_seconds:g} seconds. In its way: {holders}."
                raise DatabaseBusy(told) from error
            log.warning("migrate.waits_for_lock", migration=name, holders=holders, next_try_seconds=round(pause, 1))
        else:
            return
        time.sleep(pause)


@contextmanager
def short_locks(backend: yoyo.backends.DatabaseBackend) -> Iterator[None]:
    """A transaction in which a lock that is not to be had soon raises one of _GIVEN_UP."""
    with backend.transaction():
        backend.execute(f"SET LOCAL lock_timeout = '{int(LOCK_TIMEOUT_SECONDS * 1000)}ms'")
        yield


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - it spreads load and guards nothing
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _in_a_transaction(backend: yoyo.backends.DatabaseBackend, migration: yoyo.migrations.Migration) -> None:
    """All of it in one transaction with the note that it is done; yoyo's own way takes two.

    INVARIANT: killed in between, two would leave a schema that the next run can't apply again
    (tests/faults/test_migrate.py::test_killed_and_run_again).
    """
    with short_locks(backend):
        with _looking_into_new_code(backend.connection):
            migration.process_steps(backend, "apply")
        backend.mark_one(migration)


def _by_itself(backend: yoyo.backends.DatabaseBackend, migration: yoyo.migrations.Migration) -> None:
    """A concurrent build of an index, which PostgreSQL runs in no transaction. It is noted behind it: killed in between, the next
    run finds the index there (IF NOT EXISTS), or finds it invalid and builds it once more.

    INVARIANT: an index that a build left invalid is dropped before the next try
    (tests/integration/test_migration_locks.py::test_an_invalid_index_is_built_anew).
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
    """For a migration's own statements: yoyo looks for its tables where it has always had them."""
    connection.execute(LOOK_INTO)
    try:
        yield
    finally:
        if connection.info.transaction_status in (TransactionStatus.IDLE, TransactionStatus.INTRANS):
            connection.execute("RESET search_path")  # in a failed transaction its end does it


def _holders(backend: yoyo.backends.DatabaseBackend) -> str:
    """Sessions that hold locks on our tables, for people; what has ended meanwhile is not among them."""
    rows = backend.connection.execute(HOLDERS, [HOLDERS_SHOWN]).fetchall()
    shown = [
        f"process {pid} ({application}, {state}) with a transaction of {seconds} s on {tables}"
        for pid, application, state, seconds, tables in rows
    ]
    return "; ".join(shown) or "sessions that have ended meanwhile"

"""Schema changes on a live database: a dump that reads every table, and the columns of a new release."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import sql

LOCK_SECONDS = 0.2
"""How long a change waits for a table, and others behind it: a migration waits no longer at a time either."""
TABLES = """
    SELECT table_name FROM information_schema.tables
     WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND table_name NOT LIKE '%yoyo%' ORDER BY table_name
"""


@contextmanager
def dump_in_progress(conninfo: str) -> Iterator[None]:
    """As pg_dump does: one snapshot, and every table locked in ACCESS SHARE mode, while the block runs."""
    with psycopg.connect(conninfo) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(sql.SQL(", ").join(_tables(connection))))
        connection.execute("SELECT count(*) FROM events")
        yield
        connection.rollback()


def change_columns(conninfo: str) -> int:
    """Add a column to every table that can be had, or drop it where it was added before; returns how many tables changed."""
    changed = 0
    with psycopg.connect(conninfo, autocommit=True, options=f"-c lock_timeout={int(LOCK_SECONDS * 1000)}") as connection:
        for table in _tables(connection):
            alter = sql.SQL("ALTER TABLE {} ").format(table)
            with suppress(psycopg.errors.LockNotAvailable):
                try:
                    connection.execute(alter + sql.SQL("ADD COLUMN soak integer"))
                except psycopg.errors.DuplicateColumn:
                    connection.execute(alter + sql.SQL("DROP COLUMN soak"))
                changed += 1
    return changed


def _tables(connection: psycopg.Connection) -> list[sql.Identifier]:
    return [sql.Identifier(name) for (name,) in connection.execute(TABLES).fetchall()]

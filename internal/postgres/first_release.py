"""The table `images` for processes of the first release that run beside newer ones: expand, then contract.

The first release (its last migration is 0007) reads images by `SELECT images.*`, in prepared statements. PostgreSQL refuses these
in every open connection as soon as the table has a new column: most look-ups would be a 500, and workers would fail renditions
for good. That code can't be changed any more. So, before such a database gets its first new column:

- The table moves to the schema NEW_CODE, which newer code has first in its search_path (LOOK_INTO).
- A view with the table's name and its old columns stays behind. PostgreSQL resolves the names of a prepared statement again when
  a table has changed, so old statements find the view, with the columns they know. It can be written and locked like the table.
- A later migrate moves the table back, when every connection has the `application_name` of newer code.

New databases, and those of newer code, need none of this.

INVARIANT: the first release's processes go on without an error while and after it is migrated
(tests/integration/test_first_release.py, tests/faults/test_rolling_upgrade.py).
"""

from typing import LiteralString

import psycopg
import structlog
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier

log = structlog.get_logger(__name__)

NEW_CODE = "image_processor_tables"

APPLICATION = "image-processor"
"""The `application_name` of newer code's connections."""

LAST_OF_FIRST_RELEASE, NEXT = "0007_one_letter_of_a_message", "0008_orientation"

LOOK_INTO: LiteralString = """
    SELECT set_config('search_path', concat_ws(', ', 'image_processor_tables', nullif(current_setting('search_path'), '')), false)
"""

HIDDEN = """
    SELECT quote_ident(n.nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = to_regclass('images') AND c.relkind = 'v' AND to_regclass('image_processor_tables.images') IS NOT NULL
"""

TABLE = """
    -- Its schema, its columns, and the privileges of roles other than its owner.
    SELECT n.nspname, (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
                        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
           (SELECT array_agg(ARRAY[CASE WHEN acl.grantee = 0 THEN NULL ELSE acl.grantee::regrole::text END, acl.privilege_type])
              FROM aclexplode(c.relacl) acl
             WHERE acl.grantee <> c.relowner AND acl.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass('images') AND c.relkind = 'r'
"""

MAY_CREATE_SCHEMA = "SELECT has_database_privilege(current_database(), 'CREATE')"

OLD_CODE_IS_CONNECTED = """
    SELECT EXISTS (SELECT FROM pg_stat_activity
                    WHERE datname = current_database() AND usename IS NOT NULL AND application_name = '')
"""

MOVED_TABLES = """
    SELECT relname FROM pg_class WHERE relnamespace = 'image_processor_tables'::regnamespace AND relkind IN ('r', 'p')
"""

MOVED_FUNCTIONS = """
    SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'image_processor_tables'::regnamespace
"""

Connection = psycopg.Connection[TupleRow]


def hide_new_columns(connection: Connection) -> None:
    """Move the table and create the view. Inside a transaction; takes the table's lock."""
    found = connection.execute(TABLE).fetchone()
    may = connection.execute(MAY_CREATE_SCHEMA).fetchone()
    if found is None or may is None:
        return
    if not may[0]:
        log.warning("migrate.old_code_will_fail", missing="the right to create a schema in the database")
        return
    home, columns, granted = found
    view = Identifier(home, "images")
    connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(NEW_CODE)))
    connection.execute(SQL("GRANT USAGE ON SCHEMA {} TO PUBLIC").format(Identifier(NEW_CODE)))
    connection.execute(SQL("ALTER TABLE {} SET SCHEMA {}").format(view, Identifier(NEW_CODE)))
    connection.execute(
        SQL("CREATE VIEW {} AS SELECT {} FROM {}").format(
            view, SQL(", ").join(map(Identifier, columns)), Identifier(NEW_CODE, "images")
        )
    )
    for grantee, privilege in granted or ():
        to = SQL("PUBLIC") if grantee is None else SQL(grantee)
        connection.execute(SQL("GRANT {} ON {} TO {}").format(SQL(privilege), view, to))
    log.info("migrate.keeps_a_view_for_old_code", table="images", schema=NEW_CODE)


def is_hidden(connection: Connection) -> bool:
    return connection.execute(HIDDEN).fetchone() is not None


def old_code_is_connected(connection: Connection) -> bool:
    return connection.execute(OLD_CODE_IS_CONNECTED).fetchone() == (True,)


def put_back(connection: Connection) -> None:
    """Undo hide_new_columns, if it was done. Inside a transaction; takes the tables' locks."""
    home = connection.execute(HIDDEN).fetchone()
    if home is None:
        return
    connection.execute(SQL("DROP VIEW {}.images").format(SQL(home[0])))
    for (table,) in connection.execute(MOVED_TABLES).fetchall():
        connection.execute(SQL("ALTER TABLE {} SET SCHEMA {}").format(Identifier(NEW_CODE, table), SQL(home[0])))
    for (function,) in connection.execute(MOVED_FUNCTIONS).fetchall():
        connection.execute(SQL("ALTER FUNCTION {} RESET search_path").format(SQL(function)))
        connection.execute(SQL("ALTER FUNCTION {} SET SCHEMA {}").format(SQL(function), SQL(home[0])))
    connection.execute(SQL("DROP SCHEMA {}").format(Identifier(NEW_CODE)))
    log.info("migrate.drops_the_view_for_old_code", table="images")

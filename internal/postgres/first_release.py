"""`images` as the first release knows it, for as long as its processes run beside newer ones: expand, then contract.

The first release (its last migration is 0007) looks images up by `SELECT images.*`, in prepared statements. PostgreSQL refuses
these once the table has a column more, in every connection that was open then: most look-ups would be 500, and workers would fail
renditions for good. That code can't be changed any more. So, before such a database gets its first new column:

- The table moves into the schema NEW_CODE, which code from here on looks into first (LOOK_INTO sets its search_path).
- A view of its name and its old columns stays behind. PostgreSQL resolves the names of a prepared statement anew when a table has
  changed: old statements find the view, with the columns that they have always had. Like the table it can be written and locked.
- A later migrate puts the table back, when nobody is connected any more without the `application_name` of newer code.

A new database, and one of newer code, never sees any of this.

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
"""What connections of code from here on call themselves."""

LAST_OF_FIRST_RELEASE, NEXT = "0007_one_letter_of_a_message", "0008_orientation"

LOOK_INTO: LiteralString = """
    SELECT set_config('search_path', concat_ws(', ', 'image_processor_tables', nullif(current_setting('search_path'), '')), false)
"""

HIDDEN = """
    SELECT quote_ident(n.nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = to_regclass('images') AND c.relkind = 'v' AND to_regclass('image_processor_tables.images') IS NOT NULL
"""

TABLE = """
    -- Where it is, its columns, and who but its owner may do what with it.
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

Connection = psycopg.Connection[TupleRow]


def hide_new_columns(connection: Connection) -> None:
    """Move the table, and leave the view. Inside a transaction; needs the table's lock."""
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
    """Undo all of it. Inside a transaction; needs the tables' locks. Nothing happens where nothing is hidden."""
    home = connection.execute(HIDDEN).fetchone()
    if home is None:
        return
    connection.execute(SQL("DROP VIEW {}.images").format(SQL(home[0])))
    for (table,) in connection.execute(MOVED_TABLES).fetchall():
        connection.execute(SQL("ALTER TABLE {} SET SCHEMA {}").format(Identifier(NEW_CODE, table), SQL(home[0])))
    connection.execute(SQL("DROP SCHEMA {}").format(Identifier(NEW_CODE)))
    log.info("migrate.drops_the_view_for_old_code", table="images")

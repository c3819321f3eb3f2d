"""PostgreSQL's own statistics: the snapshots that keep dead rows, and the number of dead rows."""

from internal.ports.repository.statistics import DatabaseHealth
from internal.postgres.pool import Session

WATCHED = (
    "outbox",
    "queue_messages",
    "unreferenced_objects",
    "renditions",
    "images",
    "uploads",
    "events",
    "idempotency_keys",
    "dead_letters",
)

READ_DATABASE_HEALTH = """
    -- PostgreSQL shows these columns of other users' sessions only to members of pg_read_all_stats. Replication slots and
    -- prepared transactions keep rows without a session.
    SELECT (SELECT greatest(extract(epoch FROM clock_timestamp() - min(xact_start)), 0)::float8 FROM pg_stat_activity
             WHERE datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid())
               AS oldest_snapshot_seconds,
           (SELECT max(age(xmin)) FROM (SELECT backend_xmin FROM pg_stat_activity
                                        UNION ALL SELECT xmin FROM pg_replication_slots
                                        UNION ALL SELECT transaction FROM pg_prepared_xacts) AS held (xmin))
               AS oldest_xmin_transactions,
           ARRAY (SELECT n_dead_tup FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS watched (name, place)
                    LEFT JOIN pg_stat_user_tables ON relname = name AND schemaname = current_schema() ORDER BY place) AS dead_rows
"""


async def read_database_health(session: Session) -> DatabaseHealth:
    [row] = await session.rows(READ_DATABASE_HEALTH, {"tables": list(WATCHED)})
    return DatabaseHealth(
        row["oldest_snapshot_seconds"] or 0.0,
        row["oldest_xmin_transactions"] or 0,
        {table: count or 0 for table, count in zip(WATCHED, row["dead_rows"], strict=True)},
    )

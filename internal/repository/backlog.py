"""Statistics of the work that waits, read at each scrape of the metrics."""

from internal.ports.repository.statistics import BacklogStats
from internal.postgres.pool import Session

READ_BACKLOG_STATS = """
    -- Each count reads a small table or a partial index.
    SELECT (SELECT count(*) FROM outbox) AS outbox_messages,
           (SELECT greatest(extract(epoch FROM now() - min(created_at)), 0)::float8 FROM outbox) AS outbox_oldest_seconds,
           (SELECT count(*) FROM renditions WHERE status = 'uploaded') AS renditions_waiting,
           (SELECT count(*) FROM renditions WHERE status = 'processing') AS renditions_processing,
           (SELECT extract(epoch FROM now() - min(requested_at))::float8 FROM renditions WHERE status = 'uploaded')
               AS waiting_oldest_seconds,
           (SELECT extract(epoch FROM now() - min(requested_at))::float8 FROM renditions WHERE status = 'processing')
               AS processing_oldest_seconds,
           (SELECT count(*) FROM renditions WHERE status = 'processing' AND lease_until < now()) AS leases_expired,
           (SELECT count(*) FROM unreferenced_objects) AS unreferenced_objects,
           (SELECT count(*) FROM unreferenced_objects WHERE deadline < now()) AS unreferenced_overdue,
           (SELECT count(*) FROM dead_letters) AS dead_letters
"""


async def read_backlog_stats(session: Session) -> BacklogStats:
    return BacklogStats(**(await session.rows(READ_BACKLOG_STATS))[0])

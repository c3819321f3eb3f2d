"""What the tables say of the work that waits: asked for at each scrape of the metrics."""

from internal.ports.repository.observed import BacklogStats
from internal.postgres.pool import Session

TAKE_MEASURES = """
    -- Each count is of a small table or of a partial index.
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


async def take_measures(session: Session) -> BacklogStats:
    return BacklogStats(**(await session.rows(TAKE_MEASURES))[0])

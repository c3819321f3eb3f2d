"""Leases of chores that one worker at a time runs. A lease ends by itself, so that another worker takes over from a dead one."""

from uuid import UUID

from internal.postgres.pool import Session

TAKE_CHORE = """
    INSERT INTO chore_leases (name, worker_id, lease_until)
    VALUES (%(name)s, %(worker_id)s, now() + %(seconds)s * interval '1 s')
    ON CONFLICT (name) DO UPDATE SET worker_id = EXCLUDED.worker_id, lease_until = EXCLUDED.lease_until
     WHERE chore_leases.worker_id = EXCLUDED.worker_id OR chore_leases.lease_until < now()
    RETURNING name
"""


class PostgresChoreLeases:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def take(self, name: str, worker_id: UUID, *, seconds: float) -> bool:
        return bool(await self._session.rows(TAKE_CHORE, {"name": name, "worker_id": worker_id, "seconds": seconds}))

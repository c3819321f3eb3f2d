"""Renditions: the claim and every write behind its fence (G1, G2, G3)."""

from typing import Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from internal.errors import DeadlinePassed
from internal.images.events import Event, EventType
from internal.images.model import Claim, Failure, Lane, Rendition, Result, new_id
from internal.queue.port import Channel
from internal.repository.conclude import CONCLUDE
from internal.repository.outbox import RECORD_HAPPENED
from internal.repository.pool import Session
from internal.repository.port import Requeue

ADD_RENDITION = """
    -- `place` keeps the order in which renditions were asked for; under the image's lock, or in its own insert, max() is exact.
    INSERT INTO renditions (id, image_id, place, name, processing, pipeline, lane)
    SELECT %(id)s, %(image_id)s, coalesce(max(place), 0) + 1, %(name)s, %(processing)s, %(pipeline)s, %(lane)s
      FROM renditions WHERE image_id = %(image_id)s
"""

CLAIM_RENDITION: LiteralString = (
    """
    -- G2, G3: the attempt rises before the file is opened, so that a decoder's death counts and a stale worker matches nothing.
    -- The image's row is locked first, as everywhere, so that a claim and a finish can't wait for each other.
    -- What waits has a try left: who set it back looked. Should the maximum be lowered meanwhile, it gets that one all the same.
    WITH image AS MATERIALIZED (
        SELECT id, owner, status, original_key, sha256, media_type, width FROM images WHERE id = %(image_id)s FOR NO KEY UPDATE
    ), claimable AS (
        SELECT r.id, count(*) OVER () > 1 AS more FROM renditions r, image
         WHERE r.image_id = image.id AND r.lane = %(lane)s
           AND (r.status = 'uploaded' AND r.due_at <= now()
                OR r.status = 'processing' AND r.lease_until < now() AND r.tries < %(max_attempts)s)
         ORDER BY r.place LIMIT 1
    ), claimed AS (
        UPDATE renditions r
           SET status = 'processing', attempt = r.attempt + 1, tries = r.tries + 1,
               lease_until = now() + %(lease)s * interval '1 s'
          FROM claimable, image
         WHERE r.id = claimable.id
           AND (r.status = 'uploaded' AND r.due_at <= now()
                OR r.status = 'processing' AND r.lease_until < now() AND r.tries < %(max_attempts)s)
        RETURNING r.id AS rendition_id, r.image_id, image.owner, r.name, r.pipeline, r.attempt, r.tries, image.original_key,
                  image.sha256 AS original_sha256, image.media_type, image.status AS image_status,
                  image.width IS NOT NULL AS size_known, claimable.more
    ), begun AS (
        UPDATE images SET status = 'processing', updated_at = now()
         WHERE id = (SELECT image_id FROM claimed WHERE image_status <> 'processing')
    ), happened AS (
        SELECT %(event_id)s::uuid AS id, %(event_type)s AS type, image_id, owner, '{}'::jsonb AS data
          FROM claimed WHERE image_status <> 'processing'
    ),
"""
    + RECORD_HAPPENED
    + """
    SELECT claimed.*, (SELECT pg_notify('outbox', '') FROM announced) FROM claimed
"""
)

RENEW_CLAIM = """
    UPDATE renditions SET lease_until = now() + %(lease)s * interval '1 s'
     WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'processing'
    RETURNING id
"""

FINISH_RENDITION: LiteralString = (
    """
    -- G2: only the current attempt. G4: referred to and off the list in one; nothing settled rolls all of it back.
    WITH changed AS (
        UPDATE renditions
           SET status = 'processed', lease_until = NULL, error_code = NULL, error_detail = NULL, finished_at = now(),
               result_key = %(key)s, sha256 = %(sha256)s, size = %(size)s, width = %(width)s, height = %(height)s,
               frames = %(frames)s, content_type = %(content_type)s
         WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'processing'
        RETURNING id, status
    ), settled AS (
        DELETE FROM unreferenced_objects
         WHERE key = %(key)s AND deadline > now() AND EXISTS (SELECT FROM changed)
        RETURNING key
    ),
"""
    + CONCLUDE
    + """
    SELECT EXISTS (SELECT FROM settled) AS settled, pg_notify('image', %(image_id)s::text),
           (SELECT pg_notify('outbox', '') FROM announced LIMIT 1)
      FROM changed
"""
)

FAIL_RENDITION: LiteralString = (
    """
    WITH changed AS (
        UPDATE renditions
           SET status = 'failed', lease_until = NULL, error_code = %(code)s, error_detail = %(detail)s, finished_at = now()
         WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'processing'
        RETURNING id, status
    ),
"""
    + CONCLUDE
    + """
    SELECT pg_notify('image', %(image_id)s::text), (SELECT pg_notify('outbox', '') FROM announced LIMIT 1) FROM changed
"""
)

POSTPONE_RENDITION = """
    UPDATE renditions
       SET status = 'uploaded', lease_until = NULL, due_at = now() + %(seconds)s * interval '1 s', tries = tries - %(given_back)s
     WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'processing'
    RETURNING id
"""

RETRY_RENDITIONS = """
    -- `attempt` stays: it is the fence, and only ever rises.
    UPDATE renditions
       SET status = 'uploaded', tries = 0, due_at = now(), error_code = NULL, error_detail = NULL, finished_at = NULL
     WHERE image_id = %(image_id)s AND status = 'failed'
    RETURNING lane
"""

ABANDONED_RENDITIONS = """
    SELECT r.image_id, r.id AS rendition_id, i.owner, r.name, r.lane, r.attempt, r.tries
      FROM renditions r JOIN images i ON i.id = r.image_id
     WHERE r.status = 'processing' AND r.lease_until < now()
     ORDER BY r.lease_until LIMIT %(limit)s
       -- Locking the rendition too makes PostgreSQL look at its lease once more: a renewal may just have come.
       FOR NO KEY UPDATE OF i, r SKIP LOCKED
"""

OVERDUE_RENDITIONS = """
    -- G1: the message was lost, or its worker is long gone. Making it due now lets a minute pass before it is found again.
    UPDATE renditions r SET due_at = now()
      FROM images i
     WHERE i.id = r.image_id AND r.id IN (
            SELECT id FROM renditions
             WHERE status = 'uploaded' AND due_at < now() - %(seconds)s * interval '1 s'
             ORDER BY due_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING r.image_id, r.id AS rendition_id, i.owner, r.name, r.lane, r.attempt, r.tries
"""

CLAIMED = tuple(name for name in Claim.__struct_fields__ if name != "lane")


class PostgresRenditions:
    def __init__(self, session: Session, exports: frozenset[Channel]) -> None:
        self._session = session
        self._announce = Channel.EVENTS in exports

    async def add(self, rendition: Rendition) -> None:
        parameters = {
            "id": rendition.id,
            "image_id": rendition.image_id,
            "name": rendition.name,
            "processing": rendition.processing,
            "pipeline": rendition.pipeline,
            "lane": rendition.lane,
        }
        await self._session.run(ADD_RENDITION, parameters)

    async def claim(self, image_id: UUID, lane: Lane, started: Event, *, lease_seconds: float, max_attempts: int) -> Claim | None:
        parameters = {
            "image_id": image_id,
            "lane": lane,
            "lease": lease_seconds,
            "max_attempts": max_attempts,
            "event_id": started.id,
            "event_type": started.type,
            "announce": self._announce,
        }
        rows = await self._session.rows(CLAIM_RENDITION, parameters)
        return Claim(lane=lane, **{name: rows[0][name] for name in CLAIMED}) if rows else None

    async def renew(self, claim: Claim, *, lease_seconds: float) -> bool:
        parameters = {"id": claim.rendition_id, "attempt": claim.attempt, "lease": lease_seconds}
        return bool(await self._session.rows(RENEW_CLAIM, parameters))

    async def finish(self, claim: Claim, result: Result, event: Event) -> bool:
        parameters = {
            **self._concluding(claim.rendition_id, claim.attempt, event),
            "key": result.key,
            "sha256": result.sha256,
            "size": result.size,
            "width": result.width,
            "height": result.height,
            "frames": result.frames,
            "content_type": result.content_type,
        }
        rows = await self._session.rows(FINISH_RENDITION, parameters)
        if rows and not rows[0]["settled"]:
            raise DeadlinePassed
        return bool(rows)

    async def fail(self, rendition_id: UUID, attempt: int, failure: Failure, event: Event) -> bool:
        parameters = {
            **self._concluding(rendition_id, attempt, event),
            "code": failure.code,
            "detail": failure.detail,
        }
        return bool(await self._session.rows(FAIL_RENDITION, parameters))

    def _concluding(self, rendition_id: UUID, attempt: int, event: Event) -> dict[str, Any]:
        return {
            "id": rendition_id,
            "attempt": attempt,
            "image_id": event.image_id,
            "owner": event.owner,
            "event_id": event.id,
            "event_type": event.type,
            "event_data": Jsonb(event.data),
            "final_id": new_id(),
            "completed": EventType.IMAGE_PROCESSING_COMPLETED,
            "failed": EventType.IMAGE_PROCESSING_FAILED,
            "announce": self._announce,
        }

    async def postpone(self, rendition_id: UUID, attempt: int, *, seconds: float, give_back: bool) -> bool:
        parameters = {"id": rendition_id, "attempt": attempt, "seconds": seconds, "given_back": int(give_back)}
        return bool(await self._session.rows(POSTPONE_RENDITION, parameters))

    async def retry(self, image_id: UUID) -> frozenset[Lane]:
        return frozenset(Lane(row["lane"]) for row in await self._session.rows(RETRY_RENDITIONS, {"image_id": image_id}))

    async def abandoned(self, *, limit: int) -> list[Requeue]:
        rows = await self._session.rows(ABANDONED_RENDITIONS, {"limit": limit})
        return [Requeue(**{**row, "lane": Lane(row["lane"])}) for row in rows]

    async def overdue(self, *, seconds: float, limit: int) -> list[Requeue]:
        rows = await self._session.rows(OVERDUE_RENDITIONS, {"seconds": seconds, "limit": limit})
        return [Requeue(**{**row, "lane": Lane(row["lane"])}) for row in rows]

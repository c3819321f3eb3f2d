"""Renditions: the claim and every write behind its fence (G1, G2, G3)."""

from uuid import UUID

from internal.images.model import Claim, Failure, Lane, Rendition, Result
from internal.repository.pool import Session
from internal.repository.port import Requeue
from internal.repository.records import rendition_from, rendition_parameters

ADD_RENDITION = """
    -- `place` keeps the order in which renditions were asked for; under the image's lock, or in its own insert, max() is exact.
    INSERT INTO renditions (id, image_id, place, name, processing, pipeline, lane)
    SELECT %(id)s, %(image_id)s, coalesce(max(place), 0) + 1, %(name)s, %(processing)s, %(pipeline)s, %(lane)s
      FROM renditions WHERE image_id = %(image_id)s
"""

CLAIM_RENDITION = """
    -- G2, G3: the attempt rises before the file is opened, so that a decoder's death counts and a stale worker matches nothing.
    -- The image's row is locked first, as everywhere, so that a claim and a finish can't wait for each other.
    WITH image AS MATERIALIZED (
        SELECT id, owner, status, original_key, sha256, media_type FROM images WHERE id = %(image_id)s FOR NO KEY UPDATE
    ), claimable AS (
        SELECT r.id, count(*) OVER () > 1 AS more FROM renditions r, image
         WHERE r.image_id = image.id AND r.lane = %(lane)s AND r.tries < %(max_attempts)s
           AND (r.status = 'uploaded' AND r.due_at <= now() OR r.status = 'processing' AND r.lease_until < now())
         ORDER BY r.place LIMIT 1
    ), claimed AS (
        UPDATE renditions r
           SET status = 'processing', attempt = r.attempt + 1, tries = r.tries + 1,
               lease_until = now() + %(lease)s * interval '1 s'
          FROM claimable, image
         WHERE r.id = claimable.id AND r.tries < %(max_attempts)s
           AND (r.status = 'uploaded' AND r.due_at <= now() OR r.status = 'processing' AND r.lease_until < now())
        RETURNING r.id AS rendition_id, r.image_id, image.owner, r.name, r.pipeline, r.lane, r.attempt, r.tries,
                  image.original_key, image.sha256 AS original_sha256, image.media_type,
                  image.status <> 'processing' AS started, claimable.more
    ), begun AS (
        UPDATE images SET status = 'processing', updated_at = now()
         WHERE id = (SELECT image_id FROM claimed WHERE started)
    )
    SELECT * FROM claimed
"""

RENEW_CLAIM = """
    UPDATE renditions SET lease_until = now() + %(lease)s * interval '1 s'
     WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'processing'
    RETURNING id
"""

FINISH_RENDITION = """
    UPDATE renditions
       SET status = 'processed', lease_until = NULL, error_code = NULL, error_detail = NULL, finished_at = now(),
           result_key = %(key)s, sha256 = %(sha256)s, size = %(size)s, width = %(width)s, height = %(height)s,
           frames = %(frames)s, content_type = %(content_type)s
     WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'processing'
    RETURNING id
"""

FAIL_RENDITION = """
    UPDATE renditions
       SET status = 'failed', lease_until = NULL, error_code = %(code)s, error_detail = %(detail)s, finished_at = now()
     WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'processing'
    RETURNING id
"""

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
    RETURNING *
"""

ABANDONED_RENDITIONS = """
    SELECT r.image_id, r.id AS rendition_id, i.owner, r.name, r.lane, r.attempt, r.tries
      FROM renditions r JOIN images i ON i.id = r.image_id
     WHERE r.status = 'processing' AND r.lease_until < now()
     ORDER BY r.lease_until LIMIT %(limit)s
       FOR NO KEY UPDATE OF i SKIP LOCKED
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


class PostgresRenditions:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, rendition: Rendition) -> None:
        await self._session.rows(ADD_RENDITION, rendition_parameters(rendition))

    async def claim(self, image_id: UUID, lane: Lane, *, lease_seconds: float, max_attempts: int) -> Claim | None:
        parameters = {"image_id": image_id, "lane": lane, "lease": lease_seconds, "max_attempts": max_attempts}
        rows = await self._session.rows(CLAIM_RENDITION, parameters)
        return Claim(**{**rows[0], "lane": lane}) if rows else None

    async def renew(self, claim: Claim, *, lease_seconds: float) -> bool:
        parameters = {"id": claim.rendition_id, "attempt": claim.attempt, "lease": lease_seconds}
        return bool(await self._session.rows(RENEW_CLAIM, parameters))

    async def finish(self, claim: Claim, result: Result) -> bool:
        parameters = {
            "id": claim.rendition_id,
            "attempt": claim.attempt,
            "key": result.key,
            "sha256": result.sha256,
            "size": result.size,
            "width": result.width,
            "height": result.height,
            "frames": result.frames,
            "content_type": result.content_type,
        }
        return bool(await self._session.rows(FINISH_RENDITION, parameters))

    async def fail(self, rendition_id: UUID, attempt: int, failure: Failure) -> bool:
        parameters = {"id": rendition_id, "attempt": attempt, "code": failure.code, "detail": failure.detail}
        return bool(await self._session.rows(FAIL_RENDITION, parameters))

    async def postpone(self, rendition_id: UUID, attempt: int, *, seconds: float, give_back: bool) -> bool:
        parameters = {"id": rendition_id, "attempt": attempt, "seconds": seconds, "given_back": int(give_back)}
        return bool(await self._session.rows(POSTPONE_RENDITION, parameters))

    async def retry(self, image_id: UUID) -> list[Rendition]:
        return [rendition_from(row) for row in await self._session.rows(RETRY_RENDITIONS, {"image_id": image_id})]

    async def abandoned(self, *, limit: int) -> list[Requeue]:
        rows = await self._session.rows(ABANDONED_RENDITIONS, {"limit": limit})
        return [Requeue(**{**row, "lane": Lane(row["lane"])}) for row in rows]

    async def overdue(self, *, seconds: float, limit: int) -> list[Requeue]:
        rows = await self._session.rows(OVERDUE_RENDITIONS, {"seconds": seconds, "limit": limit})
        return [Requeue(**{**row, "lane": Lane(row["lane"])}) for row in rows]

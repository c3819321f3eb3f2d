"""The table of renditions (G1, G2, G3). The statements of an attempt are in attempts.py."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from internal.domain.errors import DeadlinePassed
from internal.domain.events import Event, EventType, new_event
from internal.domain.keys import RESULT_KEY, attempt_keys
from internal.domain.message import Channel, MessageContext
from internal.domain.rendition import Claim, Failure, Lane, Rendition, Result
from internal.ports.repository.renditions import StalledRendition
from internal.postgres.lower_bound import LowerBounds
from internal.postgres.pool import Session
from internal.repository.attempts import (
    CLAIM_RENDITION,
    DEFER_RENDITIONS,
    FAIL_RENDITION,
    FINISH_RENDITION,
    POSTPONE_RENDITION,
    RENEW_CLAIM,
)
from internal.repository.events import event_parameters
from internal.repository.fair import TAG_TASK, TagFloors
from internal.repository.records import claim_from, stalled_from

ADD_RENDITION = """
    -- `place` keeps the order in which renditions were asked for; under the image's lock, or in its own insert, max() is exact.
    INSERT INTO renditions (id, image_id, place, name, processing, pipeline, lane)
    SELECT %(id)s, %(image_id)s, coalesce(max(place), 0) + 1, %(name)s, %(processing)s, %(pipeline)s, %(lane)s
      FROM renditions WHERE image_id = %(image_id)s
"""

REGENERATE_RENDITION = """
    -- `attempt` is the fencing token: it rises, so that an attempt at the old pipeline is stale. The old result stays until then.
    UPDATE renditions
       SET pipeline = %(pipeline)s, lane = %(lane)s, status = 'uploaded', attempt = attempt + 1, tries = 0, due_at = now(),
           requested_at = now(), resends = 0, lease_until = NULL, start_tag = NULL, error_code = NULL, error_detail = NULL
     WHERE id = %(id)s
"""

RETRY_RENDITIONS = """
    -- `attempt` is the fencing token: it stays, and only rises.
    UPDATE renditions
       SET status = 'uploaded', tries = 0, due_at = now(), requested_at = now(), resends = 0, start_tag = NULL,
           error_code = NULL, error_detail = NULL, finished_at = CASE WHEN result_key IS NULL THEN NULL ELSE finished_at END
     WHERE image_id = %(image_id)s AND status = 'failed' AND (%(name)s::text IS NULL OR name = %(name)s)
    RETURNING lane
"""

STALLED_RENDITIONS = """
    SELECT r.image_id, r.id AS rendition_id, i.owner, r.name, r.lane, r.attempt, r.tries,
           extract(epoch FROM now() - r.lease_until)::float8 AS age
      FROM renditions r JOIN images i ON i.id = r.image_id
     WHERE r.status = 'processing'
       AND r.lease_until > now() - %(since)s * interval '1 s' AND r.lease_until < now() AND r.id <> ALL (%(exclude)s::uuid[])
     ORDER BY r.lease_until LIMIT %(limit)s
       -- Locking the rendition too makes PostgreSQL look at its lease once more: a renewal may just have come.
       FOR NO KEY UPDATE OF i, r SKIP LOCKED
"""

OVERDUE_LANES = """
    -- Without lanes whose outbox is as far behind: their messages are unpublished, not lost. No row: nothing is overdue.
    WITH oldest AS (
        SELECT due_at FROM renditions
         WHERE status = 'uploaded'
           AND due_at > now() - %(since)s * interval '1 s' AND due_at < now() - %(seconds)s * interval '1 s'
         ORDER BY due_at LIMIT 1
    )
    SELECT extract(epoch FROM now() - due_at)::float8 AS age,
           ARRAY (SELECT lane FROM unnest(ARRAY['fast', 'slow']) AS lane
                   WHERE coalesce((SELECT min(created_at) FROM outbox WHERE channel = lane)
                                  >= now() - %(seconds)s * interval '1 s', true)) AS published
      FROM oldest
"""

OVERDUE_TASKS = """
    -- G1: the message was lost. The first conditions on time are the index's; the last doubles it with each message sent again.
    SELECT image_id, min(due_at) AS since
      FROM (SELECT image_id, due_at FROM renditions
             WHERE status = 'uploaded' AND lane = %(lane)s AND due_at > now() - %(since)s * interval '1 s'
               AND due_at < now() - %(seconds)s * interval '1 s'
               AND due_at < now() - %(seconds)s * power(2, resends) * interval '1 s'
               AND image_id <> ALL (%(exclude)s::uuid[])
             ORDER BY due_at LIMIT %(limit)s) AS waiting
     GROUP BY image_id ORDER BY since
"""

RESEND_RENDITIONS = """
    -- Due now, so that some time passes before they are overdue again. One message is for all of them.
    UPDATE renditions SET due_at = now(), resends = least(resends + 1, 20)
     WHERE image_id = %(image_id)s AND lane = %(lane)s AND status = 'uploaded' AND due_at <= now()
    RETURNING id
"""


class PostgresRenditions:
    def __init__(self, session: Session, exports: frozenset[Channel], bounds: LowerBounds, floors: TagFloors) -> None:
        self._session = session
        self._bounds = bounds
        self._floors = floors
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

    async def regenerate(self, rendition_id: UUID, *, pipeline: str, lane: Lane) -> None:
        await self._session.run(REGENERATE_RENDITION, {"id": rendition_id, "pipeline": pipeline, "lane": lane})

    async def tag(self, image_id: UUID, lane: Lane, context: MessageContext) -> None:
        parameters = {"image_id": image_id, "lane": lane, "request_id": context.request_id, "passed": Jsonb(self._floors.read())}
        await self._session.run(TAG_TASK, parameters)

    async def claim(
        self,
        image_id: UUID | None,
        lane: Lane,
        started: Event,
        *,
        in_hand: bool,
        lease_seconds: float,
        intent_seconds: float,
        max_attempts: int,
    ) -> Claim | None:
        floor = self._floors.claimed[lane]
        parameters = {
            "image_id": image_id,
            "lane": lane,
            "in_hand": in_hand,
            "floor": 0 if in_hand else floor.value(),
            "lease": lease_seconds,
            "intent": intent_seconds,
            "result_key": RESULT_KEY,
            "max_attempts": max_attempts,
            **event_parameters(announce=self._announce, event=started),
        }
        rows = await self._session.rows(CLAIM_RENDITION, parameters)
        if not rows:
            return None
        if (tag := rows[0]["lowest_tag"]) is not None:
            floor.passed(tag)
        return claim_from(rows[0], lane)

    async def renew(self, claim: Claim, *, lease_seconds: float, intent_seconds: float) -> bool:
        parameters = {
            "id": claim.rendition_id,
            "generation": claim.generation,
            "lease": lease_seconds,
            "intent": intent_seconds,
            "keys": attempt_keys(claim.result_key),
        }
        return bool(await self._session.rows(RENEW_CLAIM, parameters))

    async def finish(
        self, claim: Claim, result: Result, alternatives: Sequence[Result], event: Event, *, grace_seconds: float
    ) -> bool:
        keys = [result.key, *(further.key for further in alternatives)]
        parameters = {
            **self._concluding(claim.rendition_id, claim.generation, event),
            **msgspec.structs.asdict(result),
            "alternatives": Jsonb([msgspec.structs.asdict(further) for further in alternatives]),
            "keys": keys,
            "grace": grace_seconds,
        }
        rows = await self._session.rows(FINISH_RENDITION, parameters)
        if rows and rows[0]["consumed"] != len(keys):
            raise DeadlinePassed
        return bool(rows)

    async def fail(self, rendition_id: UUID, generation: int, failure: Failure, event: Event) -> bool:
        parameters = {
            **self._concluding(rendition_id, generation, event),
            "code": failure.code,
            "detail": failure.detail,
        }
        return bool(await self._session.rows(FAIL_RENDITION, parameters))

    def _concluding(self, rendition_id: UUID, generation: int, event: Event) -> dict[str, Any]:
        return {
            "id": rendition_id,
            "generation": generation,
            "image_id": event.image_id,
            "owner": event.owner,
            **event_parameters(
                announce=self._announce,
                event=event,
                completed=new_event(EventType.IMAGE_PROCESSING_COMPLETED, event.image_id, event.owner),
                failed=new_event(EventType.IMAGE_PROCESSING_FAILED, event.image_id, event.owner),
            ),
        }

    async def postpone(self, rendition_id: UUID, generation: int, *, seconds: float, release: bool) -> bool:
        parameters = {
            "id": rendition_id,
            "generation": generation,
            "seconds": seconds,
            "released": int(release),
            "passed": Jsonb(self._floors.read()),
        }
        return bool(await self._session.rows(POSTPONE_RENDITION, parameters))

    async def defer(self, image_id: UUID, lane: Lane, *, seconds: float) -> bool:
        return bool(await self._session.rows(DEFER_RENDITIONS, {"image_id": image_id, "lane": lane, "seconds": seconds}))

    async def retry(self, image_id: UUID, name: str | None = None) -> frozenset[Lane]:
        rows = await self._session.rows(RETRY_RENDITIONS, {"image_id": image_id, "name": name})
        return frozenset(Lane(row["lane"]) for row in rows)

    async def stalled(self, *, limit: int, exclude: Sequence[UUID] = ()) -> list[StalledRendition]:
        bound, began = self._bounds.of("stalled"), time.monotonic()
        parameters = {"limit": limit, "exclude": list(exclude), "since": bound.seconds()}
        rows = await self._session.rows(STALLED_RENDITIONS, parameters)
        bound.passed(began, rows[-1]["age"] if len(rows) == limit else 0)
        return [stalled_from(row) for row in rows]

    async def overdue_lanes(self, *, seconds: float) -> tuple[Lane, ...]:
        bound, began = self._bounds.of("overdue"), time.monotonic()
        rows = await self._session.rows(OVERDUE_LANES, {"seconds": seconds, "since": bound.seconds()})
        bound.passed(began, rows[0]["age"] if rows else seconds)
        return tuple(Lane(lane) for lane in rows[0]["published"]) if rows else ()

    async def overdue(
        self,
        lane: Lane,
        *,
        seconds: float,
        limit: int,
        exclude: Sequence[UUID] = (),
    ) -> list[UUID]:
        parameters = {
            "lane": lane,
            "seconds": seconds,
            "since": self._bounds.of("overdue").seconds(),
            "limit": limit,
            "exclude": list(exclude),
        }
        return [row["image_id"] for row in await self._session.rows(OVERDUE_TASKS, parameters)]

    async def resend(self, image_id: UUID, lane: Lane) -> int:
        return len(await self._session.rows(RESEND_RENDITIONS, {"image_id": image_id, "lane": lane}))

"""Images: found by owner, listed by page, locked by those who change them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from internal.domain.errors import DeadlinePassed
from internal.domain.events import Event
from internal.domain.image import Image, ListFilter
from internal.domain.message import Channel, Message, MessageContext
from internal.domain.owner import NO_QUOTAS, Quotas, Usage
from internal.domain.rendition import Rendition
from internal.domain.status import Status
from internal.domain.upload import Upload
from internal.domain.visibility import Visibility
from internal.ports.repository.images import ImageLock
from internal.ports.sandbox import Facts
from internal.postgres.pool import Session
from internal.repository.events import RECORD_EVENTS, event_parameters
from internal.repository.fair import TAGS, TagFloors
from internal.repository.finish import DERIVE_STATUS
from internal.repository.records import image_from, upload_from
from internal.repository.uploads import UPLOAD
from internal.repository.usage import quota_parameters

ADD_IMAGE: LiteralString = (
    """
    -- G1, G4: the image with its renditions, its tasks and its event, and its key off the list: all of it, or no row comes back.
    -- Garbage collection may be deleting an object that is past its deadline: nothing may refer to it any more.
    WITH consumed AS (
        DELETE FROM unreferenced_objects WHERE key = %(original_key)s AND deadline > now() RETURNING key
    ), added AS (
        INSERT INTO images (id, owner, status, original_key, media_type, size, sha256, width, height, orientation, filename,
                            metadata, metadata_text, visibility, created_at)
        SELECT %(id)s, %(owner)s, %(status)s, key, %(media_type)s, %(size)s, %(sha256)s, %(width)s, %(height)s, %(orientation)s,
               %(filename)s, %(metadata)s::text::jsonb, %(metadata)s::text, %(visibility)s,
               coalesce(%(created_at)s::timestamptz, now())
          FROM consumed
         WHERE CASE WHEN %(limited)s OR EXISTS (SELECT FROM owners WHERE owner = %(owner)s)
                    THEN require_quota(%(owner)s, %(more_images)s, %(more_bytes)s, %(more_queued)s,
                                       %(most_images)s, %(most_bytes)s, %(most_queued)s)
                    ELSE true END
        RETURNING id, owner, created_at, updated_at, coalesce(width::bigint * height, 0) AS pixels
    ), wanted AS MATERIALIZED (
        SELECT r.id, r.name, r.processing, r.pipeline, r.lane, r.place
          FROM ROWS FROM (jsonb_to_recordset(%(renditions)s)
                          AS (id uuid, name text, processing text, pipeline text, lane text)) WITH ORDINALITY
                 AS r (id, name, processing, pipeline, lane, place)
    ), task AS MATERIALIZED (
        SELECT lane, owner, count(*) AS renditions, pixels FROM added, wanted GROUP BY lane, owner, pixels
    ),
"""
    + TAGS
    + """
    , asked AS (
        INSERT INTO renditions (id, image_id, place, name, processing, pipeline, lane,
                                start_tag, finish_tag, tag_owner, request_id)
        SELECT r.id, added.id, r.place, r.name, r.processing, r.pipeline, r.lane, tags.start_tag, tags.finish_tag, tags.owner,
               %(request_id)s
          FROM added, wanted r JOIN tags ON tags.lane = r.lane
    ), sent AS (
        INSERT INTO outbox (channel, type, key, body, headers)
        SELECT task.channel, task.type, task.key, convert_to(task.body, 'UTF8'), task.headers
          FROM added, jsonb_to_recordset(%(tasks)s) AS task (channel text, type text, key text, body text, headers jsonb)
        RETURNING channel
    ), new_event AS (
        SELECT %(event)s::jsonb AS envelope, owner FROM added
    ),
"""
    + RECORD_EVENTS
    + """
    SELECT created_at, updated_at, (SELECT json_object_agg(lane, virtual_time) FROM tags) AS virtual_times,
           (SELECT count(pg_notify('outbox', channel))
              FROM (SELECT channel FROM sent UNION SELECT 'events' FROM announced) AS woken (channel))
      FROM added
"""
)

IMAGE_COLUMNS: LiteralString = """
           id, owner, status, original_key, media_type, size, sha256, width, height, orientation, filename, frames, has_alpha,
           dominant_colour, thumbhash, created_at, updated_at, visibility, coalesce(metadata_text, metadata::text) AS metadata,
           (SELECT json_agg(r ORDER BY place)
              FROM (SELECT id, image_id, place, name, processing, pipeline, lane, status, attempt, tries, error_code,
                           error_detail, result_key, sha256, size, width, height, frames, content_type, alternatives, finished_at
                      FROM renditions WHERE image_id = images.id) AS r) AS renditions
"""
"""Metadata as the text that was sent, or else as jsonb writes it: rows of old code have no text."""

FIND_IMAGE: LiteralString = (
    """
    -- G8: the owner is part of every look-up.
    SELECT
"""
    + IMAGE_COLUMNS
    + "FROM images WHERE id = %(id)s AND owner = %(owner)s"
)

FIND_READABLE_IMAGE: LiteralString = (
    """
    -- G8: the owner's, or public. Without an owner the comparison is null, and only public ones are found.
    SELECT
"""
    + IMAGE_COLUMNS
    + "FROM images WHERE id = %(id)s AND (owner = %(owner)s::text OR visibility = 'public')"
)

FIND_LINKED_IMAGE: LiteralString = (
    """
    -- The one look-up without an owner: a verified link stands for the owner, who made it.
    SELECT
"""
    + IMAGE_COLUMNS
    + "FROM images WHERE id = %(id)s"
)

WANTED: LiteralString = """
     WHERE owner = %(owner)s
       AND (%(after_time)s::timestamptz IS NULL OR (created_at, id) < (%(after_time)s, %(after_id)s::uuid))
       AND (%(status)s::text IS NULL OR status = %(status)s)
       AND (%(created_after)s::timestamptz IS NULL OR created_at > %(created_after)s)
       AND (%(created_before)s::timestamptz IS NULL OR created_at < %(created_before)s)
     ORDER BY created_at DESC, id DESC
     LIMIT %(limit)s + 1
"""

PAGE_OF_IMAGES: LiteralString = (
    """
    -- Keyset paging: as fast on the last page as on the first, and steady while images come in. Pending images are uploads. One
    -- snapshot of both tables: an upload that is completed right now is in one of them.
    (SELECT
"""
    + IMAGE_COLUMNS
    + ", NULL::jsonb AS upload FROM images"
    + WANTED
    + """
    ) UNION ALL (
    SELECT id, owner, status, key, NULL, NULL::bigint, NULL, NULL::integer, NULL::integer, NULL::integer, NULL, NULL::integer,
           NULL::boolean, NULL, NULL, created_at, updated_at, NULL, NULL, NULL::json,
"""
    + UPLOAD
    + """
      FROM (SELECT id, owner, kind, state, key, options, received, expires_at, created_at, updated_at, 'pending' AS status
              FROM uploads WHERE expires_at > now()) AS unexpired
"""
    + WANTED
    + """
    ) ORDER BY created_at DESC, id DESC LIMIT %(limit)s + 1
"""
)

LOCK_IMAGE = """
    -- NO KEY: foreign keys of new renditions do not wait for it.
    SELECT id, owner, status FROM images WHERE id = %(id)s FOR NO KEY UPDATE
"""

REFRESH_STATUS: LiteralString = (
    "WITH changed AS (SELECT NULL::uuid AS id, NULL::text AS status),"
    + DERIVE_STATUS
    + "SELECT pg_notify('image', %(image_id)s::text) FROM derived"
)

LEARN_FACTS = """
    -- The decoder's values are the true ones: the upload may have read none, and older code stored some sides as upright.
    UPDATE images
       SET width = %(width)s, height = %(height)s, orientation = %(orientation)s, frames = %(frames)s, has_alpha = %(has_alpha)s,
           dominant_colour = %(dominant_colour)s, thumbhash = %(thumbhash)s
     WHERE id = %(id)s
"""

UPDATE_IMAGE = """
    -- Metadata twice: old code reads the jsonb.
    UPDATE images
       SET visibility = %(visibility)s, metadata = %(metadata)s::text::jsonb, metadata_text = %(metadata)s::text,
           updated_at = now()
     WHERE id = %(id)s
"""

OWNED_IMAGES = """
    -- G8: another owner's image does not count.
    SELECT id FROM images WHERE owner = %(owner)s AND id = ANY(%(ids)s)
"""

REMOVE_IMAGE = """
    -- The renditions are removed with it (ON DELETE CASCADE). The same statement reads their keys.
    WITH keys AS (
        SELECT original_key AS key FROM images WHERE id = %(id)s
        UNION ALL
        SELECT result_key FROM renditions WHERE image_id = %(id)s AND result_key IS NOT NULL
        UNION ALL
        SELECT further ->> 'key' FROM renditions, jsonb_array_elements(alternatives) AS further WHERE image_id = %(id)s
    ), removed AS (
        DELETE FROM images WHERE id = %(id)s
    )
    SELECT key, pg_notify('image', %(id)s::text) FROM keys
"""


class PostgresImages:
    def __init__(self, session: Session, exports: frozenset[Channel], floors: TagFloors) -> None:
        self._session = session
        self._floors = floors
        self._announce = Channel.EVENTS in exports

    async def add(
        self,
        image: Image,
        tasks: Sequence[tuple[Channel, Message]],
        event: Event,
        *,
        created_at: datetime | None = None,
        configured: Quotas = NO_QUOTAS,
    ) -> tuple[datetime, datetime]:
        original = image.original
        parameters = {
            **quota_parameters(image.owner, configured, Usage(1, original.size, len(image.renditions))),
            "limited": configured.any,
            "id": image.id,
            "status": image.status,
            "original_key": original.key,
            "media_type": original.media_type,
            "size": original.size,
            "sha256": original.sha256,
            "width": original.width,
            "height": original.height,
            "orientation": original.orientation,
            "filename": original.filename,
            "metadata": image.metadata,
            "visibility": image.visibility,
            "created_at": created_at,
            "renditions": Jsonb([_asked(rendition) for rendition in image.renditions]),
            "tasks": Jsonb([_sent(channel, task) for channel, task in tasks]),
            "request_id": next((MessageContext.of_headers(task.headers).request_id for _, task in tasks), None),
            "passed": Jsonb(self._floors.read()),
            **event_parameters(announce=self._announce, event=event),
        }
        rows = await self._session.rows(ADD_IMAGE, parameters)
        if not rows:
            raise DeadlinePassed
        for lane, virtual_time in (rows[0]["virtual_times"] or {}).items():
            self._floors.virtual_time[lane].passed(virtual_time)
        return rows[0]["created_at"], rows[0]["updated_at"]

    async def find(self, owner: str, image_id: UUID) -> Image | None:
        rows = await self._session.rows(FIND_IMAGE, {"owner": owner, "id": image_id})
        return image_from(rows[0]) if rows else None

    async def find_readable(self, owner: str | None, image_id: UUID) -> Image | None:
        rows = await self._session.rows(FIND_READABLE_IMAGE, {"owner": owner, "id": image_id})
        return image_from(rows[0]) if rows else None

    async def find_linked(self, image_id: UUID) -> Image | None:
        rows = await self._session.rows(FIND_LINKED_IMAGE, {"id": image_id})
        return image_from(rows[0]) if rows else None

    async def page(self, owner: str, wanted: ListFilter) -> tuple[Image | Upload, ...]:
        after_time, after_id = wanted.after or (None, None)
        parameters = {
            "owner": owner,
            "after_time": after_time,
            "after_id": after_id,
            "status": wanted.status,
            "created_after": wanted.created_after,
            "created_before": wanted.created_before,
            "limit": wanted.limit,
        }
        rows = await self._session.rows(PAGE_OF_IMAGES, parameters)
        return tuple(upload_from(row) if row["upload"] else image_from(row) for row in rows)

    async def hold(self, image_id: UUID) -> None:
        await self._session.run(LOCK_IMAGE, {"id": image_id})

    async def lock(self, image_id: UUID) -> ImageLock | None:
        rows = await self._session.rows(LOCK_IMAGE, {"id": image_id})
        return ImageLock(rows[0]["id"], rows[0]["owner"], Status(rows[0]["status"])) if rows else None

    async def refresh_status(self, image_id: UUID) -> None:
        await self._session.run(REFRESH_STATUS, {"image_id": image_id})

    async def learn_facts(self, image_id: UUID, facts: Facts) -> None:
        await self._session.run(LEARN_FACTS, {"id": image_id, **msgspec.structs.asdict(facts)})

    async def update(self, image_id: UUID, *, visibility: Visibility, metadata: str) -> None:
        await self._session.run(UPDATE_IMAGE, {"id": image_id, "visibility": visibility, "metadata": metadata})

    async def owned(self, owner: str, image_ids: Sequence[UUID]) -> frozenset[UUID]:
        rows = await self._session.rows(OWNED_IMAGES, {"owner": owner, "ids": list(image_ids)})
        return frozenset(row["id"] for row in rows)

    async def remove(self, image_id: UUID) -> list[str]:
        return [row["key"] for row in await self._session.rows(REMOVE_IMAGE, {"id": image_id})]


def _asked(rendition: Rendition) -> dict[str, str]:
    names = ("name", "processing", "pipeline", "lane")
    return {"id": str(rendition.id), **{name: getattr(rendition, name) for name in names}}


def _sent(channel: Channel, task: Message) -> dict[str, Any]:
    """A task's body is JSON, so that it may travel as text."""
    return {"channel": channel, "type": task.type, "key": task.key, "body": task.body.decode(), "headers": dict(task.headers)}

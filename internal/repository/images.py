"""Images: found by owner, listed by page, locked by those who change them."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from internal.images.model import Image, ListFilter, Rendition, Status
from internal.repository.pool import Session
from internal.repository.port import Locked
from internal.repository.records import image_from, rendition_from
from internal.repository.renditions import PostgresRenditions

ADD_IMAGE = """
    INSERT INTO images (id, owner, status, original_key, media_type, size, sha256, width, height, filename, metadata)
    VALUES (%(id)s, %(owner)s, %(status)s, %(original_key)s, %(media_type)s, %(size)s, %(sha256)s, %(width)s, %(height)s,
            %(filename)s, %(metadata)s)
    RETURNING created_at
"""

FIND_IMAGE = """
    -- G8: the owner is part of every look-up.
    SELECT * FROM images WHERE id = %(id)s AND owner = %(owner)s
"""

PAGE_OF_IMAGES = """
    -- Keyset paging: as fast on the last page as on the first, and steady while images come in.
    SELECT * FROM images
     WHERE owner = %(owner)s
       AND (%(after_time)s::timestamptz IS NULL OR (created_at, id) < (%(after_time)s, %(after_id)s::uuid))
       AND (%(status)s::text IS NULL OR status = %(status)s)
       AND (%(created_after)s::timestamptz IS NULL OR created_at > %(created_after)s)
       AND (%(created_before)s::timestamptz IS NULL OR created_at < %(created_before)s)
     ORDER BY created_at DESC, id DESC
     LIMIT %(limit)s + 1
"""

RENDITIONS_OF_IMAGES = """
    SELECT * FROM renditions WHERE image_id = ANY(%(ids)s) ORDER BY image_id, place
"""

LOCK_IMAGE = """
    -- NO KEY: foreign keys of new renditions needn't wait for it.
    SELECT id, owner, status FROM images WHERE id = %(id)s FOR NO KEY UPDATE
"""

REFRESH_STATUS = """
    -- `failed` when one has failed and none is still to come; `processed` when all are; else work is under way or still waits.
    -- The notification wakes those who wait for this image; inside the transaction it is sent with the commit.
    WITH before AS (
        SELECT status FROM images WHERE id = %(id)s
    ), derived AS (
        SELECT CASE WHEN bool_or(status = 'processing') THEN 'processing'
                    WHEN bool_or(status = 'uploaded') THEN CASE WHEN bool_and(attempt = 0) THEN 'uploaded' ELSE 'processing' END
                    WHEN bool_or(status = 'failed') THEN 'failed'
                    ELSE 'processed' END AS status
          FROM renditions WHERE image_id = %(id)s
    ), refreshed AS (
        UPDATE images SET status = derived.status, updated_at = now() FROM derived WHERE id = %(id)s
        RETURNING images.status
    )
    SELECT before.status AS before, refreshed.status AS after, pg_notify('image', %(id)s::text) FROM before, refreshed
"""

LEARN_SIZE = """
    UPDATE images SET width = %(width)s, height = %(height)s WHERE id = %(id)s AND width IS NULL
"""

REMOVE_IMAGE = """
    -- Its renditions go with it (ON DELETE CASCADE); the keys are read by the same statement, before they go.
    WITH keys AS (
        SELECT original_key AS key FROM images WHERE id = %(id)s
        UNION ALL
        SELECT result_key FROM renditions WHERE image_id = %(id)s AND result_key IS NOT NULL
    ), removed AS (
        DELETE FROM images WHERE id = %(id)s
    )
    SELECT key, pg_notify('image', %(id)s::text) FROM keys
"""


class PostgresImages:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._renditions = PostgresRenditions(session)

    async def add(self, image: Image) -> datetime:
        original = image.original
        parameters = {
            "id": image.id,
            "owner": image.owner,
            "status": image.status,
            "original_key": original.key,
            "media_type": original.media_type,
            "size": original.size,
            "sha256": original.sha256,
            "width": original.width,
            "height": original.height,
            "filename": original.filename,
            "metadata": Jsonb(image.metadata),
        }
        rows = await self._session.rows(ADD_IMAGE, parameters)
        for rendition in image.renditions:
            await self._renditions.add(rendition)
        created_at: datetime = rows[0]["created_at"]
        return created_at

    async def find(self, owner: str, image_id: UUID) -> Image | None:
        rows = await self._session.rows(FIND_IMAGE, {"owner": owner, "id": image_id})
        return (await self._with_renditions(rows))[0] if rows else None

    async def page(self, owner: str, wanted: ListFilter) -> tuple[Image, ...]:
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
        return await self._with_renditions(await self._session.rows(PAGE_OF_IMAGES, parameters))

    async def _with_renditions(self, images: list[DictRow]) -> tuple[Image, ...]:
        found: dict[UUID, list[Rendition]] = defaultdict(list)
        for row in await self._session.rows(RENDITIONS_OF_IMAGES, {"ids": [image["id"] for image in images]}):
            found[row["image_id"]].append(rendition_from(row))
        return tuple(image_from(image, tuple(found[image["id"]])) for image in images)

    async def lock(self, image_id: UUID) -> Locked | None:
        rows = await self._session.rows(LOCK_IMAGE, {"id": image_id})
        return Locked(rows[0]["id"], rows[0]["owner"], Status(rows[0]["status"])) if rows else None

    async def refresh_status(self, image_id: UUID) -> tuple[Status, Status]:
        rows = await self._session.rows(REFRESH_STATUS, {"id": image_id})
        return Status(rows[0]["before"]), Status(rows[0]["after"])

    async def learn_size(self, image_id: UUID, width: int, height: int) -> None:
        await self._session.rows(LEARN_SIZE, {"id": image_id, "width": width, "height": height})

    async def remove(self, image_id: UUID) -> list[str]:
        return [row["key"] for row in await self._session.rows(REMOVE_IMAGE, {"id": image_id})]

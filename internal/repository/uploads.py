"""Uploads that outlive a request: pending images."""

import time
from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from internal.domain.errors import NotFound
from internal.domain.rates import UploadCost, UploadLevels
from internal.domain.upload import ParsedOptions, Upload, UploadState
from internal.postgres.lower_bound import LowerBounds
from internal.postgres.pool import Session
from internal.repository.records import upload_from
from internal.repository.upload_buckets import COUNT_UPLOAD, UNLESS_TOO_MUCH, cost_parameters

UPLOAD: LiteralString = """
           jsonb_build_object('id', id, 'owner', owner, 'kind', kind, 'state', state, 'key', key, 'options', options,
                              'received', received, 'expires_at', expires_at, 'created_at', created_at,
                              'updated_at', updated_at) AS upload
"""
"""The columns as the fields of Upload, by name: a column that a later migration adds changes nothing for this code."""

ADD_UPLOAD: LiteralString = (
    """
    INSERT INTO uploads (id, owner, kind, state, key, options, expires_at)
    VALUES (%(id)s, %(owner)s, %(kind)s, %(state)s, %(key)s, %(options)s, now() + %(seconds)s * interval '1 s')
    RETURNING
"""
    + UPLOAD
)

FIND_UPLOAD: LiteralString = (
    """
    -- G8: the owner is part of every look-up.
    SELECT
"""
    + UPLOAD
    + "FROM uploads WHERE id = %(id)s AND owner = %(owner)s AND expires_at > now()"
)

LOCK_UPLOAD: LiteralString = FIND_UPLOAD + " FOR UPDATE"

FIND_READABLE_UPLOAD: LiteralString = (
    """
    -- G8: the owner's, or that of an image that will be public.
    SELECT
"""
    + UPLOAD
    + """
      FROM uploads
     WHERE id = %(id)s AND (owner = %(owner)s::text OR options ->> 'visibility' = 'public') AND expires_at > now()
"""
)

FIND_LINKED_UPLOAD: LiteralString = (
    """
    -- Without an owner: a verified link stands for the owner, who made it.
    SELECT
"""
    + UPLOAD
    + "FROM uploads WHERE id = %(id)s AND expires_at > now()"
)

SET_UPLOAD_OPTIONS = """
    UPDATE uploads SET options = %(options)s, updated_at = now() WHERE id = %(id)s
"""

BEGIN_UPLOAD: LiteralString = """
    -- G4: the new key is listed before anything is written under it. An object under the old one is due at once.
    WITH old AS MATERIALIZED (
        SELECT id, key FROM uploads WHERE id = %(id)s AND expires_at > now() FOR UPDATE
    ), begun AS (
        UPDATE uploads
           SET key = %(key)s, state = 'pending', received = 0, updated_at = now(),
               expires_at = greatest(expires_at, now() + %(seconds)s * interval '1 s')
          FROM old WHERE uploads.id = old.id
        RETURNING uploads.key
    ), replaced AS (
        UPDATE unreferenced_objects SET deadline = now()
          FROM old WHERE unreferenced_objects.key = old.key AND deadline > now()
    )
    INSERT INTO unreferenced_objects (key, deadline) SELECT key, now() + %(key_seconds)s * interval '1 s' FROM begun
    RETURNING key
"""

BEGIN_COUNTED_UPLOAD: LiteralString = (
    """
    -- BEGIN_UPLOAD, where it is counted: the limit decides under the row's lock, before anything is changed.
    WITH old AS MATERIALIZED (
        SELECT id, key FROM uploads WHERE id = %(id)s AND expires_at > now() FOR UPDATE
    ), counted AS (
"""
    + COUNT_UPLOAD
    + " FROM old "
    + UNLESS_TOO_MUCH
    + """
    ), begun AS (
        UPDATE uploads
           SET key = %(key)s, state = 'pending', received = 0, updated_at = now(),
               expires_at = greatest(expires_at, now() + %(seconds)s * interval '1 s')
          FROM old, counted WHERE uploads.id = old.id
        RETURNING uploads.key
    ), replaced AS (
        UPDATE unreferenced_objects SET deadline = now()
          FROM old, counted WHERE unreferenced_objects.key = old.key AND deadline > now()
    ), listed AS (
        INSERT INTO unreferenced_objects (key, deadline) SELECT key, now() + %(key_seconds)s * interval '1 s' FROM begun
    )
    SELECT counted.uploads, counted.upload_bytes FROM old LEFT JOIN counted ON true
"""
)

EXTEND_UPLOAD = """
    -- G4: the object's key is listed for as long as the row is there, and before anything is written under it.
    WITH extended AS (
        UPDATE uploads
           SET state = %(state)s, received = %(received)s, updated_at = now(),
               expires_at = greatest(expires_at, now() + %(seconds)s * interval '1 s')
         WHERE id = %(id)s AND key = %(key)s AND expires_at > now()
        RETURNING key, CASE WHEN state = 'received' THEN expires_at END AS needed_until
    )
    INSERT INTO unreferenced_objects (key, deadline)
    SELECT key, greatest(now() + %(key_seconds)s * interval '1 s', needed_until) FROM extended
    ON CONFLICT (key) DO UPDATE SET deadline = EXCLUDED.deadline
    RETURNING key
"""

TAKE_UPLOAD: LiteralString = (
    """
    -- One transaction removes the row: to make the image, to delete it, or because it expired. Others wait here for its commit.
    DELETE FROM uploads WHERE id = %(id)s AND owner = %(owner)s AND expires_at > now()
    RETURNING
"""
    + UPLOAD
)

MARK_REMOVED: LiteralString = """
    , listed AS (
        -- Continues a WITH that has `removed (key)`: the object is due at once.
        INSERT INTO unreferenced_objects (key, deadline) SELECT key, now() FROM removed
        ON CONFLICT (key) DO UPDATE SET deadline = EXCLUDED.deadline
    )
"""

REMOVE_UPLOAD: LiteralString = (
    """
    WITH removed AS (
        DELETE FROM uploads WHERE id = %(id)s RETURNING id, key
    )
"""
    + MARK_REMOVED
    + """
    SELECT pg_notify('image', id::text) FROM removed
"""
)

TAKE_EXPIRED_UPLOAD: LiteralString = (
    """
    WITH expired AS MATERIALIZED (
        SELECT id FROM uploads
         WHERE expires_at > now() - %(since)s * interval '1 s' AND expires_at <= now() AND id <> ALL (%(exclude)s::uuid[])
         ORDER BY expires_at LIMIT 1 FOR UPDATE SKIP LOCKED
    ), removed AS (
        DELETE FROM uploads WHERE id = (SELECT id FROM expired)
        RETURNING id, key, expires_at,
"""
    + UPLOAD
    + ")"
    + MARK_REMOVED
    + """
    SELECT pg_notify('image', id::text), extract(epoch FROM now() - expires_at)::float8 AS age, upload FROM removed
"""
)


class PostgresUploads:
    def __init__(self, session: Session, bounds: LowerBounds) -> None:
        self._session = session
        self._bounds = bounds

    async def add(self, upload: Upload, *, expires_seconds: float) -> Upload:
        parameters = {
            "id": upload.id,
            "owner": upload.owner,
            "kind": upload.kind,
            "state": upload.state,
            "key": upload.key,
            "options": _as_json(upload.options),
            "seconds": expires_seconds,
        }
        [row] = await self._session.rows(ADD_UPLOAD, parameters)
        return upload_from(row)

    async def find(self, owner: str, upload_id: UUID) -> Upload | None:
        rows = await self._session.rows(FIND_UPLOAD, {"id": upload_id, "owner": owner})
        return upload_from(rows[0]) if rows else None

    async def find_readable(self, owner: str | None, upload_id: UUID) -> Upload | None:
        rows = await self._session.rows(FIND_READABLE_UPLOAD, {"id": upload_id, "owner": owner})
        return upload_from(rows[0]) if rows else None

    async def find_linked(self, upload_id: UUID) -> Upload | None:
        rows = await self._session.rows(FIND_LINKED_UPLOAD, {"id": upload_id})
        return upload_from(rows[0]) if rows else None

    async def lock(self, owner: str, upload_id: UUID) -> Upload | None:
        rows = await self._session.rows(LOCK_UPLOAD, {"id": upload_id, "owner": owner})
        return upload_from(rows[0]) if rows else None

    async def set_options(self, upload_id: UUID, options: ParsedOptions) -> None:
        await self._session.run(SET_UPLOAD_OPTIONS, {"id": upload_id, "options": _as_json(options)})

    async def begin(self, upload_id: UUID, key: str, *, expires_seconds: float, key_seconds: float) -> bool:
        parameters = {"id": upload_id, "key": key, "seconds": expires_seconds, "key_seconds": key_seconds}
        return bool(await self._session.rows(BEGIN_UPLOAD, parameters))

    async def begin_counted(
        self, upload_id: UUID, key: str, cost: UploadCost, *, expires_seconds: float, key_seconds: float
    ) -> UploadLevels | None:
        parameters = {"id": upload_id, "key": key, "seconds": expires_seconds, "key_seconds": key_seconds}
        rows = await self._session.rows(BEGIN_COUNTED_UPLOAD, {**parameters, **cost_parameters(cost)})
        if not rows:
            raise NotFound
        return UploadLevels(**rows[0]) if rows[0]["uploads"] is not None else None

    async def extend(
        self, upload_id: UUID, key: str, state: UploadState, received: int, *, expires_seconds: float, key_seconds: float
    ) -> bool:
        parameters = {
            "id": upload_id,
            "key": key,
            "state": state,
            "received": received,
            "seconds": expires_seconds,
            "key_seconds": key_seconds,
        }
        return bool(await self._session.rows(EXTEND_UPLOAD, parameters))

    async def take(self, owner: str, upload_id: UUID) -> Upload | None:
        rows = await self._session.rows(TAKE_UPLOAD, {"id": upload_id, "owner": owner})
        return upload_from(rows[0]) if rows else None

    async def remove(self, upload_id: UUID) -> None:
        await self._session.run(REMOVE_UPLOAD, {"id": upload_id})

    async def take_expired(self, *, exclude: Sequence[UUID] = ()) -> Upload | None:
        bound, began = self._bounds.of("uploads"), time.monotonic()
        parameters = {"exclude": list(exclude), "since": bound.seconds()}
        rows = await self._session.rows(TAKE_EXPIRED_UPLOAD, parameters)
        bound.passed(began, rows[0]["age"] if rows else 0)
        return upload_from(rows[0]) if rows else None


def _as_json(options: ParsedOptions) -> Jsonb:
    return Jsonb(msgspec.to_builtins(options))

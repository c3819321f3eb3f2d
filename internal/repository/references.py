"""References from rows to objects, for `imagectl reconcile`."""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from internal.ports.repository.references import Reference
from internal.postgres.pool import Session

REFERRED: LiteralString = """
    -- An alternative's key is in a JSON list; the key itself names the rendition's row.
    (EXISTS (SELECT FROM images WHERE original_key = given.key)
     OR EXISTS (SELECT FROM renditions WHERE result_key = given.key)
     OR EXISTS (SELECT FROM renditions
                 WHERE id = nullif(split_part(given.key, '/', 3), '')::uuid
                   AND alternatives @> jsonb_build_array(jsonb_build_object('key', given.key))))
"""

REFERRED_KEYS: LiteralString = (
    """
    SELECT key FROM unnest(%(keys)s::text[]) AS given (key) WHERE
"""
    + REFERRED
)

UNKNOWN_KEYS: LiteralString = (
    """
    -- One statement, and so one snapshot: a key that moves between the list and a row is seen in one of them.
    SELECT key FROM unnest(%(keys)s::text[]) AS given (key)
     WHERE NOT EXISTS (SELECT FROM unreferenced_objects listed WHERE listed.key = given.key) AND NOT
"""
    + REFERRED
)

PAGE_OF_REFERENCES = """
    -- Keyset paging over images. Each comes with all its references, the original first.
    -- A rendition that is being made again is not old: its former result will be replaced.
    WITH page AS (
        SELECT id, original_key, size, sha256, created_at FROM images
         WHERE %(after)s::uuid IS NULL OR id > %(after)s ORDER BY id LIMIT %(limit)s
    )
    SELECT id AS image_id, original_key AS key, size, sha256, NULL AS rendition, 0 AS place,
           created_at < now() - %(older)s * interval '1 s' AS old
      FROM page
    UNION ALL
    SELECT r.image_id, file.key, file.size, file.sha256, r.name, r.place,
           r.status IN ('processed', 'failed') AND coalesce(r.finished_at < now() - %(older)s * interval '1 s', false)
      FROM page
      JOIN renditions r ON r.image_id = page.id
     CROSS JOIN LATERAL (
               SELECT r.result_key, r.size, r.sha256 UNION ALL
               SELECT other.key, other.size, other.sha256
                 FROM jsonb_to_recordset(r.alternatives) AS other (key text, size bigint, sha256 text)
           ) AS file (key, size, sha256)
     WHERE file.key IS NOT NULL
     ORDER BY image_id, place
"""


class PostgresReferences:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def unknown(self, keys: Sequence[str]) -> frozenset[str]:
        return frozenset(row["key"] for row in await self._session.rows(UNKNOWN_KEYS, {"keys": list(keys)}))

    async def referred(self, keys: Sequence[str]) -> frozenset[str]:
        return frozenset(row["key"] for row in await self._session.rows(REFERRED_KEYS, {"keys": list(keys)}))

    async def page(self, *, after: UUID | None, older_seconds: float, limit: int) -> list[Reference]:
        parameters = {"after": after, "older": older_seconds, "limit": limit}
        rows = await self._session.rows(PAGE_OF_REFERENCES, parameters)
        return [Reference(**{name: row[name] for name in Reference.__struct_fields__}) for row in rows]

"""Buckets of the rate limits of uploads: the GCRA of internal/domain/rates.py as SQL, which any number of processes may run.

Time is the transaction's. One that began earlier may come later to the row: then nothing has leaked.
"""

from typing import Any, LiteralString

from internal.domain.rates import Rate, UploadCost, UploadLevels
from internal.postgres.pool import Session

_ELAPSED: LiteralString = "greatest(0, extract(epoch FROM now() - bucket.counted_at))::float8"
_UPLOADS: LiteralString = "greatest(0, bucket.uploads - " + _ELAPSED + " * %(uploads_rate)s)"
_BYTES: LiteralString = "greatest(0, bucket.upload_bytes - " + _ELAPSED + " * %(bytes_rate)s)"
"""The levels as they are now."""

_MORE_UPLOADS: LiteralString = _UPLOADS + " + EXCLUDED.uploads"
_MORE_BYTES: LiteralString = _BYTES + " + EXCLUDED.upload_bytes"
_LATEST: LiteralString = "greatest(bucket.counted_at, now())"

COUNT_UPLOAD: LiteralString = """
    INSERT INTO upload_buckets AS bucket (client, uploads, upload_bytes, counted_at, empty_at)
    SELECT %(client)s, %(uploads)s, %(bytes)s, now(),
           now() + least(3e8, greatest(
               %(uploads)s::float8 / %(uploads_rate)s::float8, %(bytes)s::float8 / %(bytes_rate)s::float8)) * interval '1 s'
"""
"""The first upload of a client: it always fits. Continued by a FROM, or at once by UNLESS_TOO_MUCH."""

UNLESS_TOO_MUCH: LiteralString = (
    " ON CONFLICT (client) DO UPDATE SET uploads = "
    + (_MORE_UPLOADS + ", upload_bytes = " + _MORE_BYTES + ", counted_at = " + _LATEST)
    + (", empty_at = " + _LATEST + " + interval '1 s' * least(3e8, greatest(")
    + ("(" + _MORE_UPLOADS + ") / %(uploads_rate)s, (" + _MORE_BYTES + ") / %(bytes_rate)s))")
    + " WHERE (EXCLUDED.uploads = 0 OR "
    + (_MORE_UPLOADS + " <= %(uploads_allowed)s) AND (EXCLUDED.upload_bytes = 0 OR ")
    + (_BYTES + " + least(EXCLUDED.upload_bytes, %(bytes_allowed)s) <= %(bytes_allowed)s)")
    + " RETURNING uploads, upload_bytes"
)
"""No row is returned if the upload does not fit."""

READ_UPLOAD_LEVELS: LiteralString = (
    "SELECT " + _UPLOADS + " AS uploads, " + _BYTES + " AS upload_bytes FROM upload_buckets AS bucket WHERE client = %(client)s"
)

GIVE_BACK_UPLOAD = """
    UPDATE upload_buckets
       SET uploads = greatest(0, uploads - %(uploads)s), upload_bytes = greatest(0, upload_bytes - %(bytes)s)
     WHERE client = %(client)s
"""

REMOVE_UPLOAD_BUCKET = """
    DELETE FROM upload_buckets WHERE client = %(client)s
"""

PURGE_UPLOAD_BUCKETS = """
    -- In batches, so that the statement ends in time however many rows there are. A row that an upload has locked is not empty.
    DELETE FROM upload_buckets
     WHERE ctid = ANY (ARRAY (
           SELECT ctid FROM upload_buckets WHERE empty_at < now() LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING client
"""

NO_LIMIT = Rate(1, 1)
"""Beside a cost of 0, which fits whatever the level is."""


def cost_parameters(cost: UploadCost) -> dict[str, Any]:
    """The parameters of COUNT_UPLOAD and UNLESS_TOO_MUCH."""
    uploads, upload_bytes = cost.uploads or NO_LIMIT, cost.upload_bytes or NO_LIMIT
    return {
        "client": cost.client,
        "uploads": 1.0 if cost.uploads else 0.0,
        "uploads_allowed": float(uploads.allowed),
        "uploads_rate": uploads.allowed / uploads.seconds,
        "bytes": float(cost.bytes) if cost.upload_bytes else 0.0,
        "bytes_allowed": float(upload_bytes.allowed),
        "bytes_rate": upload_bytes.allowed / upload_bytes.seconds,
    }


class PostgresUploadBuckets:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def levels(self, cost: UploadCost) -> UploadLevels:
        rows = await self._session.rows(READ_UPLOAD_LEVELS, cost_parameters(cost))
        return UploadLevels(**rows[0]) if rows else UploadLevels()

    async def give_back(self, client: str, *, uploads: float, upload_bytes: float) -> None:
        await self._session.run(GIVE_BACK_UPLOAD, {"client": client, "uploads": uploads, "bytes": upload_bytes})

    async def remove(self, client: str) -> None:
        await self._session.run(REMOVE_UPLOAD_BUCKET, {"client": client})

    async def purge(self, *, limit: int) -> int:
        return len(await self._session.rows(PURGE_UPLOAD_BUCKETS, {"limit": limit}))

"""Usage: counted by triggers as rows of changes, which are folded into one row an owner (migrations/0028_usage.sql)."""

from typing import Any, LiteralString
from uuid import UUID

import msgspec
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from internal.domain.owner import Owner, Quotas, Usage
from internal.ports.repository.usage import CountedPage, OwnerUsage
from internal.postgres.pool import Session

LIMITS: LiteralString = """
           CASE WHEN o.owner IS NOT NULL THEN
               jsonb_build_object('owner', o.owner, 'weight', o.weight, 'quota_images', o.quota_images,
                                  'quota_bytes', o.quota_bytes, 'quota_queued', o.quota_queued, 'created_at', o.created_at,
                                  'updated_at', o.updated_at) END AS owner
"""
"""What is set for an owner, as the fields of Owner; NULL if nothing is."""

READ_USAGE: LiteralString = f"""
    SELECT images, bytes, queued,
{LIMITS}
      FROM usage_of(%(owner)s) LEFT JOIN owners o ON o.owner = %(owner)s
"""

REQUIRE_QUOTA = """
    SELECT require_quota(%(owner)s, %(more_images)s, %(more_bytes)s, %(more_queued)s,
                         %(most_images)s, %(most_bytes)s, %(most_queued)s)
"""

PAGE_OF_USAGE: LiteralString = f"""
    -- A first upload is seen when its change is folded.
    SELECT listed.owner AS name, images, bytes, queued,
{LIMITS}
      FROM (SELECT owner FROM (SELECT owner FROM owners WHERE owner > %(after)s ORDER BY owner LIMIT %(limit)s) AS set
            UNION
            SELECT owner FROM (SELECT owner FROM owner_usage WHERE owner > %(after)s ORDER BY owner LIMIT %(limit)s) AS counted
            ORDER BY owner LIMIT %(limit)s) AS listed
      LEFT JOIN owners o USING (owner), usage_of(listed.owner)
     ORDER BY name
"""

FOLD_USAGE = """
    -- In the order of transactions, up to the first that has not ended: what comes later than `folded_below` is found behind it.
    -- A row whose transaction is none of this cluster's comes from a dump. The owners' order is that of every other fold.
    WITH state AS MATERIALIZED (
        SELECT unfolded_since() AS begins, pg_snapshot_xmin(pg_current_snapshot()) AS ended,
               pg_snapshot_xmax(pg_current_snapshot()) AS future
          FROM usage_state WHERE recount_until < now() FOR UPDATE SKIP LOCKED
    ), batch AS MATERIALIZED (
        SELECT transaction_id FROM usage_changes, state
         WHERE transaction_id >= begins AND transaction_id < ended ORDER BY transaction_id LIMIT %(limit)s
    ), bound AS MATERIALIZED (
        SELECT CASE WHEN count(*) = %(limit)s THEN max(transaction_id::text::bigint)::text::xid8 END AS last FROM batch
    ), folded AS (
        DELETE FROM usage_changes USING state, bound
         WHERE transaction_id >= begins AND transaction_id < ended AND (last IS NULL OR transaction_id <= last)
        RETURNING owner, images, bytes, queued
    ), restored AS (
        DELETE FROM usage_changes USING state WHERE transaction_id >= future
        RETURNING owner, images, bytes, queued
    ), folds AS MATERIALIZED (
        SELECT (SELECT count(*) FROM folded) + (SELECT count(*) FROM restored) AS count
    ), added AS (
        INSERT INTO owner_usage (owner, images, bytes, queued)
        SELECT owner, sum(images), sum(bytes), sum(queued)
          FROM (SELECT owner, images, bytes, queued FROM folded
                UNION ALL SELECT owner, images, bytes, queued FROM restored) AS changes
         GROUP BY owner ORDER BY owner
        ON CONFLICT (owner) DO UPDATE
           SET images = owner_usage.images + EXCLUDED.images, bytes = owner_usage.bytes + EXCLUDED.bytes,
               queued = owner_usage.queued + EXCLUDED.queued
    )
    UPDATE usage_state SET folded_below = coalesce(last, ended), folds = folds + 1 FROM state, bound, folds
     WHERE count > 0
    RETURNING count
"""

IS_COUNTED = """
    SELECT counted_at IS NOT NULL AS counted FROM usage_state
"""

COUNT_PAGE: LiteralString = """
    -- One snapshot of the images, their renditions and the changes: a change that is not folded yet is in all of them or in none.
    -- What is counted here without such changes is what the folded count should be, whenever this page was counted.
    WITH page AS MATERIALIZED (
        SELECT id, owner, size FROM images WHERE %(after)s::uuid IS NULL OR id > %(after)s ORDER BY id LIMIT %(limit)s
    ), bounds AS MATERIALIZED (
        SELECT CASE WHEN (SELECT count(*) FROM page) = %(limit)s THEN (SELECT id FROM page ORDER BY id DESC LIMIT 1) END AS last,
               (SELECT count(*) FROM page) AS page_images, folds, unfolded_since() AS begins
          FROM usage_state
    ), counted AS (
        SELECT owner, count(*) AS images, sum(size) AS bytes, 0 AS queued FROM page GROUP BY owner
        UNION ALL
        SELECT owner, 0,
               sum(coalesce(r.size, 0) + CASE WHEN alternatives = '[]' THEN 0 ELSE alternatives_bytes(alternatives) END),
               count(*) FILTER (WHERE status IN ('uploaded', 'processing'))
          FROM page JOIN renditions r ON r.image_id = page.id GROUP BY owner
        UNION ALL
        SELECT owner, -sum(images), -sum(bytes), -sum(queued) FROM usage_changes, bounds
         WHERE transaction_id >= begins
           AND (%(after)s::uuid IS NULL OR image_id > %(after)s) AND (last IS NULL OR image_id <= last)
         GROUP BY owner
    )
    SELECT last, page_images, folds, owner,
           sum(images)::bigint AS images, sum(bytes)::bigint AS bytes, sum(queued)::bigint AS queued
      FROM bounds LEFT JOIN counted ON true GROUP BY last, page_images, folds, owner
"""

HOLD_FOLDS = """
    UPDATE usage_state SET recount_id = %(id)s, recount_until = now() + %(seconds)s * interval '1 s'
     WHERE recount_id = %(id)s OR recount_until < now()
    RETURNING folds
"""

RELEASE_FOLDS = """
    UPDATE usage_state SET recount_until = '-infinity' WHERE recount_id = %(id)s
"""

LOCK_COUNTS = """
    SELECT folds FROM usage_state FOR UPDATE
"""

READ_COUNTS = """
    SELECT owner, images, bytes, queued FROM owner_usage
"""

CORRECT_COUNTS = """
    INSERT INTO owner_usage (owner, images, bytes, queued)
    SELECT owner, images, bytes, queued
      FROM jsonb_to_recordset(%(drift)s) AS drift (owner text, images bigint, bytes bigint, queued bigint)
    ON CONFLICT (owner) DO UPDATE
       SET images = owner_usage.images + EXCLUDED.images, bytes = owner_usage.bytes + EXCLUDED.bytes,
           queued = owner_usage.queued + EXCLUDED.queued
"""

MARK_COUNTED = """
    UPDATE usage_state SET counted_at = coalesce(counted_at, now()), folds = folds + 1
"""


class PostgresUsage:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def of(self, owner: str) -> OwnerUsage:
        [row] = await self._session.rows(READ_USAGE, {"owner": owner})
        return _owner_usage(owner, row)

    async def require(self, owner: str, configured: Quotas, more: Usage) -> None:
        await self._session.run(REQUIRE_QUOTA, quota_parameters(owner, configured, more))

    async def page(self, *, after: str | None, limit: int) -> list[OwnerUsage]:
        rows = await self._session.rows(PAGE_OF_USAGE, {"after": after or "", "limit": limit})
        return [_owner_usage(row["name"], row) for row in rows]

    async def fold(self, *, limit: int) -> int:
        rows = await self._session.rows(FOLD_USAGE, {"limit": limit})
        return rows[0]["count"] if rows else 0

    async def is_counted(self) -> bool:
        [row] = await self._session.rows(IS_COUNTED)
        return bool(row["counted"])

    async def count_page(self, *, after: UUID | None, limit: int) -> CountedPage:
        rows = await self._session.rows(COUNT_PAGE, {"after": after, "limit": limit})
        counted = {row["owner"]: _usage(row) for row in rows if row["owner"] is not None}
        return CountedPage(rows[0]["last"], rows[0]["page_images"], rows[0]["folds"], counted)

    async def hold(self, recount_id: UUID, *, seconds: float) -> bool:
        return bool(await self._session.rows(HOLD_FOLDS, {"id": recount_id, "seconds": seconds}))

    async def release(self, recount_id: UUID) -> None:
        await self._session.run(RELEASE_FOLDS, {"id": recount_id})

    async def lock_counts(self) -> tuple[int, dict[str, Usage]]:
        [state] = await self._session.rows(LOCK_COUNTS)
        return state["folds"], {row["owner"]: _usage(row) for row in await self._session.rows(READ_COUNTS)}

    async def correct(self, drift: dict[str, Usage]) -> None:
        rows = [{"owner": owner, **msgspec.structs.asdict(usage)} for owner, usage in drift.items()]
        await self._session.run(CORRECT_COUNTS, {"drift": Jsonb(rows)})
        await self._session.run(MARK_COUNTED)


def quota_parameters(owner: str, configured: Quotas, more: Usage) -> dict[str, Any]:
    """The parameters of `require_quota`."""
    return {
        "owner": owner,
        **{f"more_{name}": value for name, value in msgspec.structs.asdict(more).items()},
        **{f"most_{name}": value for name, value in msgspec.structs.asdict(configured).items()},
    }


def _usage(row: DictRow) -> Usage:
    return Usage(row["images"], row["bytes"], row["queued"])


def _owner_usage(owner: str, row: DictRow) -> OwnerUsage:
    return OwnerUsage(msgspec.convert(row["owner"], Owner) if row["owner"] else Owner(owner), _usage(row))

"""Usage as the rows say it, beside usage as it is counted."""

import asyncio

from internal.domain.identity import ANONYMOUS
from internal.domain.owner import Usage
from tests.integration.service import Service

ACTUAL = """
    SELECT (SELECT count(*) FROM images WHERE owner = %(owner)s) AS images,
           (SELECT coalesce(sum(size), 0) FROM images WHERE owner = %(owner)s)
           + (SELECT coalesce(sum(coalesce(r.size, 0) + (SELECT coalesce(sum((a ->> 'size')::bigint), 0)
                                                           FROM jsonb_array_elements(r.alternatives) AS a)), 0)
                FROM renditions r JOIN images i ON i.id = r.image_id WHERE i.owner = %(owner)s) AS bytes,
           (SELECT count(*) FROM renditions r JOIN images i ON i.id = r.image_id
             WHERE i.owner = %(owner)s AND r.status NOT IN ('processed', 'failed')) AS queued
"""


async def actual_usage(service: Service, owner: str = ANONYMOUS) -> Usage:
    [row] = await service.session.rows(ACTUAL, {"owner": owner})
    return Usage(int(row["images"]), int(row["bytes"]), int(row["queued"]))


async def counted_usage(service: Service, owner: str = ANONYMOUS) -> Usage:
    return (await service.repository.usage.of(owner)).used


async def fold_all(service: Service) -> None:
    """Fold every change. A transaction under way, also of another database of the server, holds back what is behind it."""
    async with asyncio.timeout(60):
        while await service.count("usage_changes"):
            await service.repository.usage.fold(limit=1000)

"""Removes the buckets of uploads that are empty again: they are as if they were not there."""

import time
from uuid import uuid4

from internal.ports.repository.repository import Repository

NAME = "purge_upload_buckets"
"""The chore's name in metrics."""

BATCH = 1000
"""Rows of one statement."""

IDLE_SECONDS = 60.0
"""Time from one purge to the next. One worker at a time does it: each statement reads the table, which is short."""


class UploadBucketsCleanup:
    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._worker_id = uuid4()
        self._next_at = 0.0

    async def run(self) -> int:
        """Returns how many rows it removed."""
        now = time.monotonic()
        if now < self._next_at:
            return 0
        self._next_at = now + IDLE_SECONDS
        if not await self._repository.chore_leases.take(NAME, self._worker_id, seconds=2 * IDLE_SECONDS):
            return 0
        removed = BATCH
        count = 0
        while removed == BATCH:
            removed = await self._repository.upload_buckets.purge(limit=BATCH)
            count += removed
        return count

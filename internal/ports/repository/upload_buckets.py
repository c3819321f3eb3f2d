"""The contract of the table of buckets of uploads. What holds for all tables: repository.py."""

from typing import Protocol

from internal.domain.rates import UploadCost, UploadLevels


class UploadBuckets(Protocol):
    """The buckets of clients that have uploaded lately, one for all API processes.

    `PendingObjects.reserve_counted` and `Uploads.begin_counted` take an upload's cost from a bucket: both count it and list the
    object's key in one statement, or do neither. Any number of processes may do so at once: no two see the same level.
    """

    async def levels(self, cost: UploadCost) -> UploadLevels:
        """The levels of the client's bucket now, without this cost."""

    async def give_back(self, client: str, *, uploads: float, upload_bytes: float) -> None:
        """Lower the levels."""

    async def remove(self, client: str) -> None:
        """Remove the client's bucket: it begins anew."""

    async def purge(self, *, limit: int) -> int:
        """Remove at most `limit` buckets that are empty again. Returns how many."""

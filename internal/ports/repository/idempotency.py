"""The contract of Idempotency-Keys and the answers that are kept for them. A part of `port`."""

from typing import Protocol
from uuid import UUID

from msgspec import Struct


class StoredAnswer(Struct, frozen=True):
    """What an Idempotency-Key is known by. `fingerprint` and `answer` are None while its request is under way."""

    fingerprint: str | None
    answer: bytes | None


class IdempotencyKeys(Protocol):
    async def begin(self, owner: str, route: str, key: str, *, lock_id: UUID, lease_seconds: float) -> StoredAnswer | None:
        """Take the key for `lock_id`: None. Known already: what is known of it.

        A lease that ran out is taken over, and the key's age counts from then: what comes of it is kept as long as anything else.
        """

    async def extend(self, owner: str, route: str, key: str, *, lock_id: UUID, lease_seconds: float) -> None:
        """Hold the key for longer."""

    async def complete(self, owner: str, route: str, key: str, *, lock_id: UUID, fingerprint: str, answer: bytes) -> bool:
        """Store the answer; False when the lease ran out and another request has the key."""

    async def release(self, owner: str, route: str, key: str, *, lock_id: UUID) -> None:
        """Give the key up after an error, unless it is complete."""

    async def purge(self, *, older_seconds: float, limit: int) -> int:
        """Drop keys that were taken so long ago, those in flight excepted, at most `limit` of them; returns how many.

        Fewer than `limit`: none is left, but for those that another drops right now; nobody waits for those.
        """

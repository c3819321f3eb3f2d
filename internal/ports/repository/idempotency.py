"""The contract of the table of idempotency keys and their stored answers. What holds for all tables: repository.py."""

from typing import Protocol
from uuid import UUID

from msgspec import Struct


class StoredAnswer(Struct, frozen=True):
    """What is stored with a key. `fingerprint` and `answer` are None while its request is in progress."""

    fingerprint: str | None
    answer: bytes | None


class IdempotencyKeys(Protocol):
    async def begin(self, owner: str, route: str, key: str, *, lock_id: UUID, lease_seconds: float) -> StoredAnswer | None:
        """Lock the key under `lock_id` and return None; if it is known already, return what is stored with it.

        A lock whose lease expired is taken over. The key's age counts from then, so that its answer is kept as long as any other.
        """

    async def extend(self, owner: str, route: str, key: str, *, lock_id: UUID, lease_seconds: float) -> None:
        """Extend the lease of the lock."""

    async def complete(self, owner: str, route: str, key: str, *, lock_id: UUID, fingerprint: str, answer: bytes) -> bool:
        """Store the answer. False if the lease expired and another request has locked the key."""

    async def release(self, owner: str, route: str, key: str, *, lock_id: UUID) -> None:
        """Remove the key after an error, unless it has an answer."""

    async def purge(self, *, older_seconds: float, limit: int) -> int:
        """Remove keys that were locked more than `older_seconds` ago, except those in progress; returns how many.

        At most `limit`. If there were fewer, none is left, except those that another caller is removing right now.
        """

    async def remove_of(self, owner: str) -> int:
        """Remove every key of the owner, with the stored answers; returns how many. A request in progress loses its lock."""

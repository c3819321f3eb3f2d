"""The contract of references: which objects the tables speak of. What holds for all tables: repository.py."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct


class Reference(Struct, frozen=True):
    """A row's word that there is an object: an original, or one of the named rendition's files.

    `size` in bytes and `sha256` are what it must have. `old`: the row is of the age that was asked for, and nothing is under way
    that would replace the object.
    """

    key: str
    image_id: UUID
    rendition: str | None
    size: int
    sha256: str
    old: bool


class References(Protocol):
    """Which objects the tables speak of, for comparing them with the store."""

    async def unknown(self, keys: Sequence[str]) -> frozenset[str]:
        """Those of the keys that nothing refers to and that are not listed for removal either, at one moment."""

    async def referred(self, keys: Sequence[str]) -> frozenset[str]:
        """Those of the keys that a row refers to."""

    async def page(self, *, after: UUID | None, older_seconds: float, limit: int) -> list[Reference]:
        """All that the next `limit` images refer to, in order of their ids, each original first. Empty at the end."""

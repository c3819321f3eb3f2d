"""The contract of references: the objects that rows refer to. What holds for all tables: repository.py."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct


class Reference(Struct, frozen=True):
    """A reference from a row to an object: an original, or a file of the named rendition.

    The object must have `size` bytes and this `sha256`. `old`: the row has the required age, and nothing is replacing the object.
    """

    key: str
    image_id: UUID
    rendition: str | None
    size: int
    sha256: str
    old: bool


class References(Protocol):
    """The objects that rows refer to, for comparing them with the store."""

    async def unknown(self, keys: Sequence[str]) -> frozenset[str]:
        """Those of the keys that no row refers to and that are not pending objects, at one moment."""

    async def referred(self, keys: Sequence[str]) -> frozenset[str]:
        """Those of the keys that a row refers to."""

    async def page(self, *, after: UUID | None, older_seconds: float, limit: int) -> list[Reference]:
        """The references of the next `limit` images, in order of their ids, each original first. Empty at the end."""

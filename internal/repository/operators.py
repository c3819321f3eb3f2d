"""The part of the repository's contract that operators' commands work with; port.py has the rest, and says what holds for all."""

from collections.abc import Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from msgspec import Struct

from internal.images.model import DeadLetter, Status


class KeptLetter(Struct, frozen=True):
    """A dead letter in its table, and what has become of its rendition: None for a message, or when the image is gone."""

    id: int
    created_at: datetime
    letter: DeadLetter
    rendition_status: Status | None


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


Id = TypeVar("Id")


class Purged(Struct, Generic[Id], frozen=True):
    """How many rows a purge removed, and the last of them; None when there was none."""

    count: int
    last: Id | None


class DeadLetters(Protocol):
    async def add(self, letter: DeadLetter) -> None:
        """Keep what stopped for good, and export it where dead letters are published.

        All or nothing, also outside a transaction. A letter of a message (it has a `channel`) is kept once: as long as it is
        there the same message from the same source adds nothing, also by two at once. For a rendition, which may fail for good
        more than once, every call adds a letter.
        """

    async def of(self, image_id: UUID) -> list[DeadLetter]:
        """The image's dead letters, oldest first."""

    async def find(self, letter_id: int) -> KeptLetter | None:
        """One letter; None when there is none of that number, or none any more."""

    async def page(self, *, before: int | None, code: str | None, limit: int) -> list[KeptLetter]:
        """Letters newest first: those with a number below `before`, and of one `code` when it is given."""

    async def remove(self, ids: Sequence[int]) -> frozenset[int]:
        """Remove letters; returns the numbers of those that were there, each to one caller only."""

    async def remove_of(self, image_id: UUID, rendition: str) -> None:
        """Remove every letter that tells of this rendition."""

    async def purge(self, *, older_days: int, after: int | None, limit: int) -> Purged[int]:
        """Remove those of the next `limit` letters behind `after`, by their numbers, that are older; None: from the first."""


class StoreIdentity(Protocol):
    """The id of the object store that this database belongs to."""

    async def find(self) -> UUID | None:
        """The id; None until it is established."""

    async def chosen(self) -> UUID | None:
        """The id, also before it is established."""

    async def choose(self, store_id: UUID) -> UUID:
        """Choose the id that the store is to get, unless one was chosen before; returns the one that is chosen."""

    async def establish(self, store_id: UUID) -> None:
        """The store holds the chosen id: from now on it is expected of it."""

    async def replace(self, store_id: UUID) -> None:
        """Expect this id of the store, whatever was expected before."""


class References(Protocol):
    """Which objects the tables speak of, for comparing them with the store."""

    async def unknown(self, keys: Sequence[str]) -> frozenset[str]:
        """Those of the keys that nothing refers to and that are not listed for removal either, at one moment."""

    async def referred(self, keys: Sequence[str]) -> frozenset[str]:
        """Those of the keys that a row refers to."""

    async def page(self, *, after: UUID | None, older_seconds: float, limit: int) -> list[Reference]:
        """All that the next `limit` images refer to, in order of their ids, each original first. Empty at the end."""

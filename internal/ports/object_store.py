"""Contract of the object store: where original and rendered bytes are kept."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct


class ByteRange(Struct, frozen=True):
    """A half-open range of bytes: `start` is the first byte inside it, `stop` the first byte after it.

    As with a slice, a range may reach past the end of the object; the read then ends with the object. Raises ValueError
    unless 0 <= start <= stop.
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.stop:
            raise ValueError(f"not a byte range: {self.start} to {self.stop}")


class ObjectInfo(Struct, frozen=True):
    """A stored object: its key, its size in bytes and the time at which it was written."""

    key: str
    size: int
    modified: datetime | None = None


class ObjectStream(Struct, frozen=True):
    """An object that is being read. `size` is the size of the whole object in bytes, also when only a range is read."""

    size: int
    chunks: AsyncIterator[bytes]


class ObjectStore(Protocol):
    """Storage for bytes under keys. Adapters: s3, filesystem. Contract: tests/contract/test_objectstore.py.

    Keys come from `internal.domain.keys` and nowhere else. A key of another shape raises ValueError before any I/O.
    Every method raises StoreUnavailable if the store can't be reached in time, and leaves nothing half done.
    """

    async def put(self, key: str, content: AsyncIterable[bytes], *, content_type: str) -> ObjectInfo:
        """Store `content` under `key`. It is atomic: the object is complete and durable when this returns, and absent before.

        A second put with the same key replaces the object. If the store holds another number of bytes than it received, the
        object is removed and StoreUnavailable is raised. If `content` raises or the call is cancelled, no object and no part of
        one is left, and the error reaches the caller unchanged. Memory is bounded, whatever the size of the content.
        """

    def get(self, key: str, byte_range: ByteRange | None = None) -> AbstractAsyncContextManager[ObjectStream]:
        """Stream an object, or one range of its bytes. Entering the context raises ObjectNotFound if there is no such object.

        Memory is bounded, whatever the size of the object. If the store stops in the middle, `chunks` raises StoreUnavailable,
        so a truncated object never looks complete. Leaving the context early releases every connection and file.
        """

    async def delete(self, key: str) -> None:
        """Delete an object, and what an unfinished put of this key has left. Deleting a missing object is not an error."""

    async def stat(self, key: str) -> ObjectInfo:
        """Return an object's size and time. Raises ObjectNotFound."""

    def keys(self) -> AsyncIterator[ObjectInfo]:
        """List every object, in no particular order. An object that is put or deleted during the listing may be in it or not.

        Foreign objects, whose keys do not have the shape of ours, are omitted.
        """

    async def check(self) -> None:
        """Raise StoreUnavailable unless the store answers and objects can be put into it."""


class IdentifiableStore(ObjectStore, Protocol):
    """A store with an id, which it keeps under STORE_ID_KEY, apart from the pictures.

    The store itself accepts puts and gets whatever its id is. `internal.objectstore.identified` enforces the right one.
    """

    async def read_id(self) -> UUID | None:
        """Return the id, or None if the store has none. Raises StoreMissing if the folder or bucket does not exist."""

    async def write_id(self, store_id: UUID) -> None:
        """Replace the id, durably. Raises StoreMissing if the folder or bucket does not exist: this does not create one."""

    async def confirm(self, store_id: UUID) -> None:
        """Raise WrongStore unless the store has this id. Raises StoreMissing as above.

        An adapter for which the check is nearly free then repeats it on each call, and raises StoreUnavailable if the store has
        been exchanged.
        """

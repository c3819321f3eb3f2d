"""The object store's contract."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct


class ByteRange(Struct, frozen=True):
    """A half-open range of bytes: `start` is the first that is wanted, `stop` the first that is not.

    Like a slice: what lies past the object's end is not there and is no error. Raises ValueError unless 0 <= start <= stop.
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.stop:
            raise ValueError(f"not a span of bytes: {self.start} to {self.stop}")


class ObjectInfo(Struct, frozen=True):
    """An object that is there: its key, its size in bytes and when it was written."""

    key: str
    size: int
    modified: datetime | None = None


class ObjectStream(Struct, frozen=True):
    """An object that is being read. `size` is the whole object's, in bytes, also for a span."""

    size: int
    chunks: AsyncIterator[bytes]


class ObjectStore(Protocol):
    """Where bytes live. Adapters: minio, filesystem. Contract: tests/contract/test_objectstore.py.

    Keys come from `internal.domain.keys` and nowhere else; a key that does not match its shape raises ValueError before any I/O.
    Every method raises StoreUnavailable when the store can't be reached in time, and leaves nothing half done.
    """

    async def put(self, key: str, content: AsyncIterable[bytes], *, content_type: str) -> ObjectInfo:
        """Store all of `content` under `key`: all or nothing, readable only when this returns, durable when it returns.

        A store that then holds another number of bytes than it was given is StoreUnavailable, and the object is removed.

        Again with the same key: replaces it. An error raised by `content`, or a cancellation, ends the put, leaves no object and
        no part of one behind, and goes on to the caller as it is. Memory is bounded at any size of content.
        """

    def get(self, key: str, span: ByteRange | None = None) -> AbstractAsyncContextManager[ObjectStream]:
        """Stream the bytes of an object, or of one span of it. Raises ObjectNotFound, on entering.

        Memory is bounded at any size. A store that breaks off in the middle raises StoreUnavailable from `chunks`: the bytes
        given out never pass for the whole. Leaving the context early gives every connection and file back.
        """

    async def delete(self, key: str) -> None:
        """Delete an object and whatever an unfinished put of this key left. One that is not there is no error."""

    async def stat(self, key: str) -> ObjectInfo:
        """Size and time of an object. Raises ObjectNotFound."""

    def keys(self) -> AsyncIterator[ObjectInfo]:
        """Every object of the store, in no promised order; one that comes or goes meanwhile may be in it or not.

        What somebody else put there under a key that is not of our shape is left out.
        """

    async def check(self) -> None:
        """Raise StoreUnavailable unless the store answers and objects can be put into it."""


class IdentifiableStore(ObjectStore, Protocol):
    """A store that can say which one it is: it holds an id under STORE_ID_KEY, apart from the pictures' objects.

    Objects can be put and got whatever the id is: `internal.objectstore.identified` is what insists on it.
    """

    async def read_id(self) -> UUID | None:
        """The id; None when the store holds none. Raises StoreMissing when its folder or its bucket is not there."""

    async def write_id(self, store_id: UUID) -> None:
        """Let the store hold this id, durably, whatever it held before. Raises StoreMissing: it makes no store."""

    async def confirm(self, store_id: UUID) -> None:
        """Raise WrongStore unless the store holds this id, and StoreMissing as above.

        An adapter that can look for next to nothing goes on to look, at each call, whether it is still the same store, and raises
        StoreUnavailable when it is not.
        """

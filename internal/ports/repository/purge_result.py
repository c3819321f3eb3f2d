"""The result of a purge."""

from typing import Generic, TypeVar

from msgspec import Struct

Id = TypeVar("Id")


class PurgeResult(Struct, Generic[Id], frozen=True):
    """How many rows a purge removed, and the id of the last one; None if it removed none."""

    count: int
    last: Id | None

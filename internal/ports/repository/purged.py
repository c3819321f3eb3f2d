"""What a purge returns."""

from typing import Generic, TypeVar

from msgspec import Struct

Id = TypeVar("Id")


class Purged(Struct, Generic[Id], frozen=True):
    """How many rows a purge removed, and the last of them; None when there was none."""

    count: int
    last: Id | None

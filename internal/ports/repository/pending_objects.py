"""The contract of the list of pending objects. What holds for all tables: repository.py."""

from collections.abc import Sequence
from typing import Protocol


class PendingObjects(Protocol):
    """Keys that nothing refers to (yet, or any more): G4. `Images.add` and `Renditions.finish` take a key off the list."""

    async def intend(self, key: str, *, seconds: float) -> None:
        """List a key before its object is written, to be left alone for `seconds`; again: extends. Returns when it is durable."""

    async def abandon(self, keys: Sequence[str], *, seconds: float = 0) -> None:
        """List keys whose objects nothing refers to any more; `seconds` of grace for those who still read them."""

    async def forget(self, key: str) -> None:
        """Take a key off the list because no object was written under it."""

    async def put_off(self, key: str) -> None:
        """Let an overdue key whose object can't be deleted wait behind the others; its deadline stays passed."""

    async def next_overdue(self, *, seconds: float, set_aside: Sequence[str] = ()) -> str | None:
        """The key that is longest past its deadline, by `seconds` at least, and not set aside; None when there is none.

        Locked until the transaction ends, and skipped by others. This transaction may stand idle for ten minutes, longer than any
        other, so that its lock is not lost before a slow store has deleted the object.
        """

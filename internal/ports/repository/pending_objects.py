"""The contract of the list of pending objects. What holds for all tables: repository.py."""

from collections.abc import Sequence
from typing import Protocol

from internal.domain.rates import UploadCost, UploadLevels


class PendingObjects(Protocol):
    """Keys that no row refers to, yet or any more (G4). Garbage collection deletes the objects of those past their deadline.

    `Images.add` and `Renditions.finish` consume a key: they take it off the list and refer to it in one transaction, which
    raises DeadlinePassed if the key's deadline has passed.
    """

    async def reserve(self, key: str, *, seconds: float) -> None:
        """List a key before its object is written, with a deadline in `seconds`; again: extends it. Durable on return."""

    async def reserve_counted(self, key: str, cost: UploadCost, *, seconds: float) -> UploadLevels | None:
        """`reserve` a new key, and take the upload's cost from its client's bucket; returns the levels with it.

        None if it does not fit: then nothing was done. One statement, which is committed before it returns: the bucket's row is
        not locked while the bytes come.
        """

    async def mark(self, keys: Sequence[str], *, seconds: float = 0) -> None:
        """List keys whose objects no row refers to any more; `seconds` of grace for clients that still read them."""

    async def unmark(self, key: str) -> None:
        """Take a key off the list because there is no object under it."""

    async def defer(self, key: str) -> None:
        """Put an overdue key whose object can't be deleted behind the others. Its deadline stays passed."""

    async def next_overdue(self, *, seconds: float, exclude: Sequence[str] = ()) -> str | None:
        """The key that is longest past its deadline, by at least `seconds`, and not in `exclude`; None if there is none.

        The row is locked until the transaction ends; other callers skip it. This transaction may stand idle for ten minutes,
        longer than any other, so that the lock lasts until a slow store has deleted the object.
        """

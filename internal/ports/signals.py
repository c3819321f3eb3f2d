"""The contract of signals: what other processes' commits tell this one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


class Signals(Protocol):
    """What other processes' commits tell this one. A call only says: look again."""

    def subscribed(
        self, channel: str, subscriber: Callable[[str], None], *, payload: str | None = None
    ) -> AbstractContextManager[None]:
        """Call `subscriber` for every signal on `channel` while the block runs; with `payload`, only for equal ones.

        It is also called after signals may have been missed. It must return at once.
        """

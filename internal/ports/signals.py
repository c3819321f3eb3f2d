"""The contract of signals: notifications from other processes' commits."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


class Signals(Protocol):
    """Notifications from other processes' commits. A notification says only that something may have changed."""

    def subscribed(
        self, channel: str, subscriber: Callable[[str], None], *, payload: str | None = None
    ) -> AbstractContextManager[None]:
        """Call `subscriber` for every signal on `channel` while the block runs; with `payload`, only for signals that carry it.

        It is also called, with "", after signals may have been missed. It must return at once.
        """

"""Rows that a chore could not deal with: left alone for a while, so that they don't come first for ever."""

import time
from collections.abc import Hashable
from typing import Generic, TypeVar

import structlog

from internal.observability import metrics

log = structlog.get_logger(__name__)

SECONDS = 60.0
MOST = 1000
"""So many are remembered. With more, the oldest get their turn early: a fault that all rows have is no matter of single rows."""

T = TypeVar("T", bound=Hashable)


class SetAside(Generic[T]):
    """The rows of one chore, in this process alone: nothing is written, because the row itself may be what can't be written."""

    def __init__(self, chore: str) -> None:
        self._chore = chore
        self._until: dict[T, float] = {}

    def rows(self) -> list[T]:
        """Those that are not to be looked at now."""
        now = time.monotonic()
        self._until = {row: until for row, until in self._until.items() if until > now}
        return list(self._until)

    def add(self, row: T, error: Exception) -> None:
        """Leave the row alone for SECONDS; counted and logged with its trace."""
        metrics.CHORE_ROWS_FAILED.labels(self._chore).inc()
        log.error("housekeeping.row_failed", chore=self._chore, row=str(row), exc_info=error)
        if len(self._until) >= MOST:
            del self._until[next(iter(self._until))]
        self._until[row] = time.monotonic() + SECONDS

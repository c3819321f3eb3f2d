"""Quarantine: rows that a chore failed on are skipped for a while, so that they do not block the rows behind them."""

import time
from collections.abc import Hashable
from typing import Generic, TypeVar

import structlog

from internal.observability import metrics

log = structlog.get_logger(__name__)

SECONDS = 60.0
MAX_ROWS = 1000
"""Rows that are remembered. With more, the oldest are tried again early: such a fault does not lie in single rows."""

T = TypeVar("T", bound=Hashable)


class Quarantine(Generic[T]):
    """The failed rows of one chore, in this process only. Nothing is written: the row may be what can't be written."""

    def __init__(self, chore: str) -> None:
        self._chore = chore
        self._until: dict[T, float] = {}

    def rows(self) -> list[T]:
        """The rows to skip now."""
        now = time.monotonic()
        self._until = {row: until for row, until in self._until.items() if until > now}
        return list(self._until)

    def add(self, row: T, error: Exception) -> None:
        """Skip the row for SECONDS. The error is counted, and logged with its stack trace."""
        metrics.CHORE_ROWS_FAILED.labels(self._chore).inc()
        log.error("housekeeping.row_failed", chore=self._chore, row=str(row), exc_info=error)
        if len(self._until) >= MAX_ROWS:
            del self._until[next(iter(self._until))]
        self._until[row] = time.monotonic() + SECONDS

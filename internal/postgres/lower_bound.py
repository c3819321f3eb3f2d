"""Lower bounds: where an ordered scan begins, behind the rows that are removed.

While any snapshot is open that is older than a removed row, PostgreSQL keeps the row and its index entries. An ordered scan from
the first entry walks over all of them: behind 80,000 a claim took 12 ms instead of 1. So each scan remembers up to which moment
it has seen everything, and begins there, minus a margin for transactions that commit late. Now and then it scans everything.
"""

import time

MARGIN_SECONDS = 10.0
"""A row's time is when its transaction began; it may become visible this much later."""

WHOLE_SECONDS = 30.0
"""Time between two full scans, which find rows that became visible later still, or whose claim was rolled back."""

EVER_SECONDS = 1e9
"""Older than every row: some 30 years."""


class LowerBound:
    """Lower bound of one scan of one process. Durations are measured here, moments are the database's: clocks may differ.

    INVARIANT: a full scan follows after WHOLE_SECONDS, so that no row is missed for good (G1)
    (tests/integration/test_dead_rows.py::test_a_late_row_is_found_by_the_next_full_scan).
    """

    def __init__(self) -> None:
        self._passed = time.monotonic() - EVER_SECONDS
        self._whole_at = self._passed

    def seconds(self) -> float:
        """How long before now the next scan begins, in seconds."""
        now = time.monotonic()
        if now >= self._whole_at:
            self._whole_at = now + WHOLE_SECONDS
            return EVER_SECONDS
        return min(now - self._passed + MARGIN_SECONDS, EVER_SECONDS)

    def passed(self, began: float, age: float = 0.0) -> None:
        """Record that a scan which began at `began` (monotonic) has seen every row that was older than `age` seconds then."""
        self._passed = began - age


class LowerBounds:
    """The lower bounds of one process, by the name of the scan."""

    def __init__(self) -> None:
        self._bounds: dict[str, LowerBound] = {}

    def of(self, scan: str) -> LowerBound:
        return self._bounds.setdefault(scan, LowerBound())

"""Where a claim begins to look: behind what is done with.

As long as any snapshot is open that is older than a removed row, PostgreSQL keeps the row and its index entries, and an ordered
scan that begins at the first entry walks over all of them: behind 80,000 a claim took 12 ms in place of 1. So a claim remembers
up to which moment it has seen everything, and begins there, a little earlier for transactions that commit late. Now and then it
looks at all.
"""

import time

MARGIN_SECONDS = 10.0
"""A row's time is that of its transaction's beginning: so much later it may still come to be seen."""

WHOLE_SECONDS = 30.0
"""Between two looks at everything, for rows that came later still, or whose claim was rolled back."""

EVER_SECONDS = 1e9
"""Before everything: some 30 years."""


class LowerBound:
    """Of one ordered scan of one process. Durations are this process's, moments the database's: clocks that are off do no harm.

    INVARIANT: what a scan has passed is looked at again after WHOLE_SECONDS, so that no row is missed for good (G1)
    (tests/integration/test_dead_rows.py::test_what_came_late_is_found_by_the_next_whole_look).
    """

    def __init__(self) -> None:
        self._passed = time.monotonic() - EVER_SECONDS
        self._whole_at = self._passed

    def seconds(self) -> float:
        """How long before now the next scan has to begin, in seconds."""
        now = time.monotonic()
        if now >= self._whole_at:
            self._whole_at = now + WHOLE_SECONDS
            return EVER_SECONDS
        return min(now - self._passed + MARGIN_SECONDS, EVER_SECONDS)

    def passed(self, began: float, age: float = 0.0) -> None:
        """A scan that began at `began` (this process's time) has seen everything that was older than `age` seconds then."""
        self._passed = began - age


class LowerBounds:
    """The bounds of one process's scans, by the scan's name."""

    def __init__(self) -> None:
        self._bounds: dict[str, LowerBound] = {}

    def of(self, scan: str) -> LowerBound:
        return self._bounds.setdefault(scan, LowerBound())

"""How much is measured: enough for medians to hold still, or, with --quick, just enough to see that everything works."""

import time
from collections.abc import Iterator

from msgspec import Struct


class Scale(Struct, frozen=True):
    """`rounds` of service and bare loop in turn; `share` of the pictures that a full run takes."""

    rounds: int
    share: float

    def count(self, full: int) -> int:
        return max(8, round(full * self.share))

    def turns(self, seconds: float) -> Iterator[int]:
        """The rounds of one row: no further one is begun after `seconds`: a busy machine makes a run less sure, not longer."""
        began = time.monotonic()
        for turn in range(self.rounds):
            if turn and time.monotonic() - began > seconds:
                return
            yield turn


FULL = Scale(rounds=3, share=1.0)
QUICK = Scale(rounds=1, share=0.2)
AT_ONCE = 8
"""Uploads in flight."""

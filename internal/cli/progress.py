"""Progress of long commands, on stderr, so that stdout has the result only."""

import sys


class ProgressCounter:
    """Counter of `what`. It prints the count after each `every` items."""

    def __init__(self, what: str, every: int) -> None:
        self.count = 0
        self._what, self._every = what, every

    def add(self, more: int = 1) -> None:
        before, self.count = self.count, self.count + more
        if before // self._every != self.count // self._every:
            print(f"imagectl: {self.count:,} {self._what}", file=sys.stderr, flush=True)

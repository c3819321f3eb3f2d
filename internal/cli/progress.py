"""How far long work is, on stderr: what a command prints on stdout stays its result."""

import sys


class Progress:
    """Counts `what`, and says so each time another `every` of them is full."""

    def __init__(self, what: str, every: int) -> None:
        self.count = 0
        self._what, self._every = what, every

    def add(self, more: int = 1) -> None:
        before, self.count = self.count, self.count + more
        if before // self._every != self.count // self._every:
            print(f"imagectl: {self.count:,} {self._what}", file=sys.stderr, flush=True)

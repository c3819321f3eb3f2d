"""How often something was started again lately. Pure but for the clock."""

import time
from collections import deque
from collections.abc import Callable

MANY = 3
WINDOW_SECONDS = 60.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 5.0


class Restarts:
    """The restarts of the last minute, and the error of the last one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._moments: deque[float] = deque()
        self._error = ""

    def note(self, error: Exception) -> None:
        self._moments.append(self._clock())
        self._error = repr(error)

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next start: longer each time, so that others in the group are left in peace."""
        doubled = FIRST_PAUSE_SECONDS * 2.0 ** max(0, self._lately() - 1)
        return min(doubled, LONGEST_PAUSE_SECONDS)

    def over_and_over(self) -> str | None:
        """A sentence when there were many; None when all is well."""
        lately = self._lately()
        return f"restarted {lately} times in the last {WINDOW_SECONDS:.0f} seconds: {self._error}" if lately >= MANY else None

    def _lately(self) -> int:
        while self._moments and self._moments[0] < self._clock() - WINDOW_SECONDS:
            self._moments.popleft()
        return len(self._moments)

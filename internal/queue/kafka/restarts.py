"""Counter of recent restarts. Pure except for the clock."""

import time
from collections import deque
from collections.abc import Callable

FREQUENT = 3
WINDOW_SECONDS = 60.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 5.0


class Restarts:
    """The restarts of the last minute, and the error that caused the last one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque()
        self._error = ""

    def record(self, error: Exception) -> None:
        self._times.append(self._clock())
        self._error = repr(error)

    @property
    def pause_seconds(self) -> float:
        """Pause before the next start. It grows with each restart, because each one disturbs the other members of the group."""
        doubled = FIRST_PAUSE_SECONDS * 2.0 ** max(0, self._recent() - 1)
        return min(doubled, LONGEST_PAUSE_SECONDS)

    def frequent(self) -> str | None:
        """Return a description if there were FREQUENT restarts or more, else None."""
        recent = self._recent()
        return f"restarted {recent} times in the last {WINDOW_SECONDS:.0f} seconds: {self._error}" if recent >= FREQUENT else None

    def _recent(self) -> int:
        while self._times and self._times[0] < self._clock() - WINDOW_SECONDS:
            self._times.popleft()
        return len(self._times)

"""Deadlines for a client: a request's headers, the next byte, and a minimum rate. No I/O.

The rate is an average with a grace period: `behind` counts the seconds that a client is behind the minimum rate, and each byte
reduces it by the time that the byte takes at that rate. So a phone that leaves a tunnel catches up, and one byte a second does
not.
"""

from msgspec import Struct


class Deadlines(Struct, frozen=True):
    """`head_seconds`: for all headers of a request. `stall_seconds`: the longest silence, in either direction.

    `least_rate`: minimum bytes a second, of a body and of an answer; 0: no minimum. `grace_seconds`: how far a client may be
    behind.
    """

    head_seconds: float = 10
    stall_seconds: float = 60
    least_rate: float = 1024
    grace_seconds: float = 60

    @property
    def tick_seconds(self) -> float:
        """Seconds between checks: at most a tenth of the shortest deadline."""
        return min(1.0, self.head_seconds / 10, self.stall_seconds / 10, self.grace_seconds / 10)


class Progress:
    """How one client keeps up with the deadlines."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._silent = 0.0
        self.behind = 0.0

    def is_too_slow(self, seconds: float, moved: int) -> bool:
        """True if the client has missed a deadline, after `seconds` more in which `moved` bytes arrived or were received."""
        self._silent = 0.0 if moved else self._silent + seconds
        if self._deadlines.least_rate:
            self.behind = max(0.0, self.behind + seconds - moved / self._deadlines.least_rate)
        return self._silent >= self._deadlines.stall_seconds or self.behind >= self._deadlines.grace_seconds

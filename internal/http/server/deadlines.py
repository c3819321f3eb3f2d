"""How long a client is waited for: for a request's head, for the next byte, and at which rate at least. Pure.

A rate is an average with some patience: `behind` counts the seconds that a client is behind the least rate. Bytes take from it
what they would have taken at that rate, so that a phone in a tunnel catches up again, and one drop a second does not.
"""

from msgspec import Struct


class Deadlines(Struct, frozen=True):
    """`head_seconds`: for all of a request's head. `stall_seconds`: the longest silence, in either direction.

    `least_rate`: bytes a second, of a body and of an answer; 0: none. `grace_seconds`: how far a client may be behind it.
    """

    head_seconds: float = 10
    stall_seconds: float = 60
    least_rate: float = 1024
    grace_seconds: float = 60

    @property
    def tick_seconds(self) -> float:
        """How often it is looked: often enough that no deadline is passed by more than a tenth, and not without need."""
        return min(1.0, self.head_seconds / 10, self.stall_seconds / 10, self.grace_seconds / 10)


class Progress:
    """Of one client that is being waited for."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._silent = 0.0
        self.behind = 0.0

    def is_too_slow(self, seconds: float, moved: int) -> bool:
        """Whether it is given up, after `seconds` more in which `moved` bytes came, or were taken."""
        self._silent = 0.0 if moved else self._silent + seconds
        if self._deadlines.least_rate:
            self.behind = max(0.0, self.behind + seconds - moved / self._deadlines.least_rate)
        return self._silent >= self._deadlines.stall_seconds or self.behind >= self._deadlines.grace_seconds

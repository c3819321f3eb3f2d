"""Rate limits: how much a client may do at once, and how soon it may do as much again.

The rule is the GCRA (ITU-T I.371) in its form of a leaky bucket. A bucket's `level` is what a client has used. It falls evenly,
by `allowed` in `seconds`, and never below 0. Something of a certain cost fits if the level, raised by the cost, is at most
`allowed`. What costs more than `allowed` fits into an empty bucket only; its whole cost counts, and what follows waits for it.
"""

import math
from enum import StrEnum

from msgspec import Struct

from internal.domain.errors import RateLimited


class Limit(StrEnum):
    """What is limited."""

    REQUESTS = "requests"
    UPLOADS = "uploads"
    UPLOAD_BYTES = "upload_bytes"


UNITS = {Limit.REQUESTS: "requests", Limit.UPLOADS: "uploads", Limit.UPLOAD_BYTES: "bytes of uploads"}


class Rate(Struct, frozen=True):
    """`allowed` units at once, and as many again in the next `seconds`."""

    allowed: int
    seconds: int

    def level_after(self, level: float, seconds: float) -> float:
        """What is left of a level after `seconds`."""
        return max(0.0, level - max(0.0, seconds) * self.allowed / self.seconds)

    def excess(self, level: float, cost: float) -> float:
        """How many units too many it would be: 0 or less if the cost fits."""
        return level + min(cost, self.allowed) - self.allowed

    def seconds_until(self, level: float, cost: float) -> float:
        """Seconds until the cost fits, if nothing else is used meanwhile; 0 if it fits now."""
        return max(0.0, self.excess(level, cost)) * self.seconds / self.allowed


class RateState(Struct, frozen=True):
    """How much of a limit a client has used, at this moment."""

    limit: Limit
    rate: Rate
    level: float

    @property
    def available(self) -> int:
        """Whole units that fit now."""
        return max(0, math.floor(self.rate.allowed - self.level))

    @property
    def window(self) -> int:
        """Whole seconds, at least 1, until more than `available` fits."""
        return max(1, math.ceil(self.rate.seconds_until(self.level, self.available + 1)))

    def refusal(self, cost: float) -> RateLimited:
        """The error for something that does not fit."""
        unit = UNITS[self.limit]
        return RateLimited(
            f"The limit of {self.rate.allowed} {unit} in {self.rate.seconds} seconds has no room for this now.",
            limit=self.limit,
            used=math.ceil(self.level),
            allowed=self.rate.allowed,
            retry_seconds=max(1, math.ceil(self.rate.seconds_until(self.level, cost))),
        )


class UploadCost(Struct, frozen=True):
    """What an upload takes of its client's bucket: one of `uploads`, and so many `bytes`. None: no such limit.

    `client`: whose bucket it is, see internal/limits/clients.py.
    """

    client: str
    uploads: Rate | None
    upload_bytes: Rate | None
    bytes: int


class UploadLevels(Struct, frozen=True):
    """The levels of a client's bucket of uploads."""

    uploads: float = 0.0
    upload_bytes: float = 0.0

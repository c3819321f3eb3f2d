"""The limits of uploads and of their bytes: exact over all API processes, because the database counts them.

An upload is counted by the statement that lists its object's key, before its bytes are stored: it costs no statement more. What
counts is the length that the request announces; without one, the largest that is taken, and what has not come is given back at
the end. An upload that fails keeps its count, and gives back the bytes that did not come; one that failed through no fault of its
client's gives back everything.

A process remembers for some seconds what it has learned of a client's bucket: whoever has used it up is refused before a byte of
the body is read, and without asking the database.
"""

import contextlib
import time
from collections import OrderedDict

from internal.domain.errors import RateLimited, ServiceError, Unavailable
from internal.domain.rates import Limit, Rate, RateState, UploadCost, UploadLevels
from internal.limits.report import RateReport
from internal.ports.repository.upload_buckets import UploadBuckets

MAX_CLIENTS = 20_000
"""Clients of which a process remembers the levels."""

KNOWN_SECONDS = 2.0
"""How long it does. It can't know what another process gives back meanwhile."""


class UploadRates:
    """The configured limits; None: no such limit."""

    def __init__(self, uploads: Rate | None, upload_bytes: Rate | None, max_clients: int = MAX_CLIENTS) -> None:
        self.uploads, self.upload_bytes = uploads, upload_bytes
        self._max_clients = max_clients
        self._known: OrderedDict[str, tuple[UploadLevels, float]] = OrderedDict()

    def meter(self, client: str, announced: int | None, most: int, report: RateReport) -> "UploadMeter":
        """The meter of one upload. `announced`: bytes of its body, None if it does not say; `most`: the most that is taken."""
        if self.uploads is None and self.upload_bytes is None:
            return UNLIMITED
        cost = UploadCost(client, self.uploads, self.upload_bytes, most if announced is None else announced)
        return UploadMeter(cost, self, report, announced=announced is not None)

    def known(self, client: str) -> tuple[UploadLevels, float] | None:
        """A client's levels and how many seconds ago they were so; None if this process does not know."""
        levels, at = self._known.get(client, (UploadLevels(), 0.0))
        age = time.monotonic() - at
        return (levels, age) if age < KNOWN_SECONDS else None

    def learn(self, client: str, levels: UploadLevels, at: float) -> None:
        self._known[client] = levels, at
        self._known.move_to_end(client)
        if len(self._known) > self._max_clients:
            self._known.popitem(last=False)

    def forget(self, client: str) -> None:
        self._known.pop(client, None)


class UploadMeter:
    """One upload's way past the limits: `check`; counted by the database, `accept` or `refuse`; at the end `settle`.

    `cost`: what the database counts; None if there is no limit.
    """

    def __init__(self, cost: UploadCost | None, rates: UploadRates, report: RateReport, *, announced: bool) -> None:
        self.cost = cost
        self._rates, self._report, self._announced = rates, report, announced
        self._asked_at = 0.0

    def check(self) -> None:
        """Raise RateLimited if this process knows that the upload does not fit. Nothing is counted."""
        self._asked_at = time.monotonic()  # before the statement to come: what leaks while it runs counts
        if self.cost is None or (known := self._rates.known(self.cost.client)) is None:
            return
        levels, age = known
        state, cost = self._tightest(self.cost, levels, age)
        if state.rate.excess(state.level, cost) > 0:
            raise self._report.refuse(state, cost, self.cost.client)

    def accept(self, levels: UploadLevels) -> None:
        """The upload was counted; these are the levels with it."""
        if self.cost is not None:
            for state, _ in _states(self.cost, levels):
                self._report.note(state)
            self._rates.learn(self.cost.client, levels, self._asked_at)

    def refuse(self, cost: UploadCost, levels: UploadLevels) -> RateLimited:
        """The error for an upload that the database did not count; these are the levels without it."""
        self._rates.learn(cost.client, levels, self._asked_at)
        state, units = self._tightest(cost, levels)
        return self._report.refuse(state, units, cost.client)

    async def settle(self, buckets: UploadBuckets, received: int, failure: BaseException | None = None) -> None:
        """Give back what did not come. `failure`: what ended the upload; None if its bytes are stored.

        If the database can't be reached, it comes back with time. What has leaked since is not given back once more.
        """
        cost = self.cost
        if cost is None or (failure is None and self._announced):
            return
        seconds, ours = time.monotonic() - self._asked_at, isinstance(failure, Unavailable)
        uploads = cost.uploads.level_after(1, seconds) if cost.uploads and ours else 0.0
        unused = cost.bytes if ours else cost.bytes - received
        upload_bytes = cost.upload_bytes.level_after(unused, seconds) if cost.upload_bytes else 0.0
        if uploads or upload_bytes:
            self._rates.forget(cost.client)
            with contextlib.suppress(ServiceError):
                await buckets.give_back(cost.client, uploads=uploads, upload_bytes=upload_bytes)

    def _tightest(self, cost: UploadCost, levels: UploadLevels, age: float = 0.0) -> tuple[RateState, float]:
        """The limit for which the upload has to wait longest, `age` seconds after the levels were so, and its cost."""
        return max(_states(cost, levels, age), key=lambda asked: asked[0].rate.seconds_until(asked[0].level, asked[1]))


def _states(cost: UploadCost, levels: UploadLevels, age: float = 0.0) -> list[tuple[RateState, float]]:
    """Each limit that there is, with what the upload costs of it."""
    asked = (
        (Limit.UPLOADS, cost.uploads, levels.uploads, 1.0),
        (Limit.UPLOAD_BYTES, cost.upload_bytes, levels.upload_bytes, float(cost.bytes)),
    )
    return [(RateState(limit, rate, rate.level_after(level, age)), units) for limit, rate, level, units in asked if rate]


UNLIMITED = UploadMeter(None, UploadRates(None, None), RateReport(), announced=True)
"""The meter of every upload where there are no limits."""

"""The limit of requests: a bucket for each client, in the memory of this process.

The library is throttled-py, whose memory is bounded and whose clock is monotonic. `limits` 5.8.0 looks through all of its clients
at each request (1.4 ms of CPU with 20,000 of them) and has no bound: findings/limits_memory_storage.sh.
"""

from datetime import timedelta

from throttled import RateLimiterType, Throttled, per_duration
from throttled.store import MemoryStore

from internal.domain.rates import Limit, Rate, RateState
from internal.limits.report import RateReport

MAX_CLIENTS = 20_000
"""Buckets that are kept. One more replaces the one that was used least recently; a client whose bucket is gone begins anew."""


class RequestRates:
    """Counts requests. `rate`: None for no limit. With several API processes each of them counts for itself."""

    def __init__(self, rate: Rate | None, max_clients: int = MAX_CLIENTS) -> None:
        self._rate = rate
        if rate is not None:
            quota = per_duration(timedelta(seconds=rate.seconds), rate.allowed, burst=rate.allowed)
            store = MemoryStore(options={"MAX_SIZE": max_clients})
            self._buckets = Throttled(using=RateLimiterType.GCRA.value, quota=quota, store=store)

    def count(self, client: str, report: RateReport) -> None:
        """Count one request. Raises RateLimited if it does not fit; then it is not counted."""
        rate = self._rate
        if rate is None:
            return
        result = self._buckets.limit(client)
        state = RateState(Limit.REQUESTS, rate, result.state.reset_after * rate.allowed / rate.seconds)
        if result.limited:
            raise report.refuse(state, 1, client)
        report.note(state)

"""What the limits say about one request, for the headers of its answer."""

import structlog

from internal.domain.errors import RateLimited
from internal.domain.rates import Limit, Rate, RateState
from internal.observability import metrics

log = structlog.get_logger(__name__)


class RateReport:
    """`rates`: the limits that count for the request. `states`: of those that were asked, how much is used.

    When a limit has refused the request, `states` has that one only: what the others still allow is of no use before Retry-After.
    """

    def __init__(self) -> None:
        self.rates: dict[Limit, Rate] = {}
        self.states: dict[Limit, RateState] = {}

    def note(self, state: RateState) -> None:
        self.rates[state.limit] = state.rate
        self.states[state.limit] = state

    def refuse(self, state: RateState, cost: float, client: str) -> RateLimited:
        """Count a refusal; returns its error."""
        self.rates[state.limit] = state.rate
        self.states = {state.limit: state}
        refusal = state.refusal(cost)
        metrics.RATE_LIMITED.labels(state.limit).inc()
        log.info("rate.limited", limit=state.limit, client=client, retry_seconds=refusal.retry_seconds)
        return refusal

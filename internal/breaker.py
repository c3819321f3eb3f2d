"""A circuit breaker before a dependency: when it has failed some times in a row, it is left alone for a while.

Without one, each request to a dependency that says nothing waits out its whole timeout; with one, most are told at once (G6).
After the pause the next calls go through: one that succeeds closes the circuit, one that fails opens it again.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from internal.errors import Unavailable
from internal.settings import CircuitBreaker

log = structlog.get_logger(__name__)


class Breaker:
    """Guards calls to the dependency `name`, whose outages are errors of the type `outage`; no other error counts."""

    def __init__(self, name: str, outage: type[Unavailable], settings: CircuitBreaker) -> None:
        self.name, self._outage = name, outage
        not_ours: Callable[[BaseException], bool] = lambda error: not isinstance(error, outage)  # noqa: E731
        self._circuits = AsyncCircuitBreakerFactory(settings.failures, settings.seconds, exclude=[(BaseException, not_ours)])
        self._circuits.add_listener(self._tell)
        self.is_open = False

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Do the block, or raise the outage at once while the circuit is open."""
        circuit = await self._circuits.get_breaker(self.name)
        try:
            async with circuit:
                yield
        except OpenedState as opened:
            raise self._outage from opened

    def _tell(self, _name: str, kind: str, event: object) -> None:
        if kind != "state_changed":
            return
        state = getattr(event, "state", "")
        self.is_open = state == "opened"
        (log.warning if self.is_open else log.info)("circuit.changed", dependency=self.name, state=state)

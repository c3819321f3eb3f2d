"""A circuit breaker before a dependency: when it has failed some times in a row, it is left alone for a while.

Without one, each request to a dependency that says nothing waits out its whole timeout; with one, most are told at once (G6).
After the pause one call goes through, and the others wait for another: when it succeeds the circuit closes.

Our own, because what a call's end means is ours to say: only an outage is a failure, only an answer is a success. A client that
hangs up, a refused body and a cancelled call tell nothing of the dependency; the libraries we looked at count them as successes.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from internal.errors import NotStored, Unavailable
from internal.settings import CircuitBreaker

log = structlog.get_logger(__name__)


class Breaker:
    """Guards calls to the dependency `name`, whose outages are errors of the type `outage`."""

    def __init__(self, name: str, outage: type[Unavailable], settings: CircuitBreaker) -> None:
        self.name = name
        self._outage, self._settings = outage, settings
        self._failures = 0
        self._until = 0.0  # of the monotonic clock: the end of the pause; 0 while the circuit is closed

    @property
    def is_open(self) -> bool:
        """Whether the dependency is left alone right now."""
        return time.monotonic() < self._until

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Do the block, or raise the outage at once while the circuit is open."""
        if self.is_open:
            raise self._outage
        probing = self._until > 0
        if probing:
            self._pause()
        try:
            yield
        except self._outage:
            self._failed(probing)
            raise
        except NotStored:
            self._answered()
            raise
        except BaseException:
            if probing:
                self._until = time.monotonic()  # nothing was learned: the next call tries
            raise
        self._answered()

    def _pause(self) -> None:
        self._until = time.monotonic() + self._settings.seconds

    def _failed(self, probing: bool) -> None:
        self._failures += 1
        if probing or self._failures >= self._settings.failures:
            self._pause()
            log.warning("circuit.opened", dependency=self.name, seconds=self._settings.seconds)

    def _answered(self) -> None:
        if self._until:
            log.info("circuit.closed", dependency=self.name)
        self._failures, self._until = 0, 0.0

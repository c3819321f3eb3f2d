"""A circuit breaker: after consecutive failures of a dependency, calls to it fail at once instead of waiting for a timeout (G6).

The circuit is in one of three states:

- closed: every call is made. BREAKER_FAILURES failures in a row open the circuit; a success starts the count again.
- open: no call is made. For BREAKER_SECONDS each raises the outage at once.
- half-open: afterwards one call probes the dependency, and the others still fail at once. A success closes the circuit, a
  failure opens it again. If the probe shows neither, the next call probes. If the probe takes as long as the circuit stays open
  (the upload of a slow client), another call may probe beside it.

A failure is an outage of the dependency. A success is a result, or an error that is an answer (`errors.ANSWERS`). Everything else
is neither, because it says nothing about the dependency: a client that disconnects, a refused body, a cancelled call, a call
without a connection (`errors.UNKNOWN`).
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto

import structlog

from internal.domain.errors import ANSWERS, UNKNOWN, Unavailable
from internal.runtime.settings import BreakerSettings

log = structlog.get_logger(__name__)


class State(Enum):
    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()


class CircuitBreaker:
    """Guards the calls to the dependency `name`, whose outages are errors of the type `outage`."""

    def __init__(self, name: str, outage: type[Unavailable], settings: BreakerSettings) -> None:
        self.name = name
        self._outage = outage
        self._settings = settings
        self._state = State.CLOSED
        self._failures = 0
        """Consecutive failures. Only a success resets them, so one failed probe is enough to open the circuit again."""
        self._next_probe = 0.0
        """When the next call may probe the dependency, in seconds of the monotonic clock."""

    @property
    def is_open(self) -> bool:
        """True if calls fail at once: the circuit is open, or another call probes the dependency."""
        return time.monotonic() < self._next_probe

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Run the block, which is one call. Raises the outage without running it while the circuit is open."""
        if self.is_open:
            raise self._outage
        probes = self._state is not State.CLOSED
        if probes:
            self._enter(State.HALF_OPEN)
        try:
            yield
        except ANSWERS:
            self._succeeded()
            raise
        except UNKNOWN:
            raise
        except self._outage:
            self._failed()
            raise
        else:
            self._succeeded()
        finally:
            if probes and self._state is State.HALF_OPEN:
                self._next_probe = 0.0  # the probe showed nothing: the next call probes

    def _enter(self, state: State) -> None:
        """Enter a state in which calls fail at once, for the configured seconds."""
        self._state = state
        self._next_probe = time.monotonic() + self._settings.seconds

    def _failed(self) -> None:
        """Count a failure. While the circuit is open, failures of calls that started earlier change nothing."""
        if self._state is State.OPEN:
            return
        self._failures += 1
        if self._failures >= self._settings.failures:
            self._enter(State.OPEN)
            log.warning("circuit.opened", dependency=self.name, seconds=self._settings.seconds)

    def _succeeded(self) -> None:
        """Close the circuit, whichever call succeeded and whenever it started, because the dependency answers."""
        self._failures = 0
        if self._state is not State.CLOSED:
            self._state, self._next_probe = State.CLOSED, 0.0
            log.info("circuit.closed", dependency=self.name)

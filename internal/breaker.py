"""A circuit breaker before a dependency: when it has failed some times in a row, it is left alone for a while.

Without one, each request to a dependency that says nothing waits out its whole timeout; with one, most are told at once (G6).
After the pause one call goes through, and the others are told at once until it has ended, or for another pause, should it be an
upload of a slow client: when it succeeds the circuit closes.

The circuit is purgatory's: its states, and what it counts. What a call's end means is ours to say: only an outage is a failure,
only an answer is a success, also an answer that refuses (`errors.ANSWERS`). A client that hangs up, a refused body, a cancelled
call and one that got no connection (`errors.UNKNOWN`) tell nothing of the dependency; its own context manager would count them as
successes. The pause is ours too: purgatory's is on the system's clock, which may be set.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from purgatory.domain.model import CLOSED, HALF_OPENED, ClosedState, Context, HalfOpenedState

from internal.errors import ANSWERS, UNKNOWN, Unavailable
from internal.settings import CircuitBreaker

log = structlog.get_logger(__name__)


class Breaker:
    """Guards calls to the dependency `name`, whose outages are errors of the type `outage`."""

    def __init__(self, name: str, outage: type[Unavailable], settings: CircuitBreaker) -> None:
        self.name = name
        self._outage = outage
        self._circuit = Context(name, settings.failures, settings.seconds)
        self._until = 0.0
        """Of the monotonic clock: the end of the pause, or of the time that the others leave to the call that tries."""

    @property
    def is_open(self) -> bool:
        """Whether the dependency is left alone right now, but for the call that tries it."""
        return time.monotonic() < self._until

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Do the block, or raise the outage at once while the circuit is open."""
        if self.is_open:
            raise self._outage
        tries = self._begin_to_try()
        try:
            yield
        except ANSWERS:
            self._answered()
            raise
        except UNKNOWN:
            raise
        except self._outage as exc:
            self._failed(exc)
            raise
        else:
            self._answered()
        finally:
            if tries and self._circuit.state == HALF_OPENED:
                self._until = 0.0  # nothing was learned: the next call tries

    def _begin_to_try(self) -> bool:
        """Whether this call is the one that tries the dependency, after a pause."""
        if self._circuit.state == CLOSED:
            return False
        self._circuit.set_state(HalfOpenedState())
        self._pause()
        return True

    def _pause(self) -> None:
        self._until = time.monotonic() + self._circuit.ttl

    def _failed(self, outage: Unavailable) -> None:
        before = self._circuit.state
        self._circuit.handle_exception(outage)
        self._circuit.messages.clear()  # its events: it keeps them until somebody takes them
        if self._circuit.state != before:
            self._pause()
            log.warning("circuit.opened", dependency=self.name, seconds=self._circuit.ttl)

    def _answered(self) -> None:
        """Whoever it was that asked, and when: it answers."""
        if self._circuit.state == CLOSED:
            self._circuit.handle_end_request()
        else:
            self._circuit.set_state(ClosedState())
            self._until = 0.0
            log.info("circuit.closed", dependency=self.name)
        self._circuit.messages.clear()

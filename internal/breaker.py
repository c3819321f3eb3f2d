"""A circuit breaker before a dependency: when it has failed some times in a row, it is left alone for a while.

Without one, each request to a dependency that says nothing waits out its whole timeout; with one, most are told at once (G6).
After the pause one call goes through, and the others are told at once until it has ended, or for another pause, should it be an
upload of a slow client: when it succeeds the circuit closes.

The circuit is purgatory's. What a call's end means is ours to say: only an outage is a failure, only an answer is a success. A
client that hangs up, a refused body and a cancelled call tell nothing of the dependency; its own context manager would count
them as successes. It takes the time from the system's clock: one that is set back during a pause makes the pause longer.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from purgatory import ContextChanged
from purgatory.domain.model import CLOSED, HALF_OPENED, OPENED, Context, OpenedState

from internal.errors import DatabaseReadOnly, NotStored, Unavailable
from internal.settings import CircuitBreaker

log = structlog.get_logger(__name__)


class Breaker:
    """Guards calls to the dependency `name`, whose outages are errors of the type `outage`."""

    def __init__(self, name: str, outage: type[Unavailable], settings: CircuitBreaker) -> None:
        self.name = name
        self._outage = outage
        self._circuit = Context(name, settings.failures, settings.seconds)
        self._tried_until = 0.0  # of the monotonic clock: one call tries, and the others wait for its end, or for so long

    @property
    def is_open(self) -> bool:
        """Whether the dependency is left alone right now, but for the call that tries it."""
        opened_at = self._circuit.opened_at
        return self._is_tried or (opened_at is not None and time.time() <= opened_at + self._circuit.ttl)

    @property
    def _is_tried(self) -> bool:
        return time.monotonic() < self._tried_until

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Do the block, or raise the outage at once while the circuit is open."""
        trying = self._enter()
        try:
            yield
        except (NotStored, DatabaseReadOnly):  # a DatabaseUnavailable to clients, but an answer
            self._tell(None)
            raise
        except self._outage as exc:
            self._tell(exc)
            raise
        else:
            self._tell(None)
        finally:
            if trying:
                self._tried_until = 0.0

    def _enter(self) -> bool:
        """Whether this call is the one that tries the dependency after a pause."""
        try:
            self._circuit.handle_new_request()
        except OpenedState as exc:
            raise self._outage from exc.with_traceback(None)  # one error for the whole pause: its traceback would grow with each
        if self._circuit.state != HALF_OPENED:
            return False
        if self._is_tried:
            raise self._outage
        self._tried_until = time.monotonic() + self._circuit.ttl
        return True

    def _tell(self, failure: Unavailable | None) -> None:
        """How a call ended: with an outage, or with an answer."""
        if failure:
            self._circuit.handle_exception(failure)
        else:
            self._circuit.handle_end_request()
        self._log_changes()

    def _log_changes(self) -> None:
        """And forget them: the circuit keeps its events until somebody takes them."""
        events, self._circuit.messages = self._circuit.messages, []
        for event in events:
            if isinstance(event, ContextChanged) and event.state == OPENED:
                log.warning("circuit.opened", dependency=self.name, seconds=self._circuit.ttl)
            elif isinstance(event, ContextChanged) and event.state == CLOSED:
                log.info("circuit.closed", dependency=self.name)

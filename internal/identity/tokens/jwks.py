"""The issuer's key set, fetched in the background.

One attempt at a time; after each, whether it went well or not, none begins for a cooldown. So the issuer gets at most one a
cooldown from each process, however many tokens with unknown keys come, and also while it is down. A request waits for an attempt
only if its token names a key that is not known; tokens with known keys never wait.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from msgspec import Struct, UnsetType

from internal.domain.errors import TokenKeysUnavailable
from internal.identity.tokens.keys import InvalidKey, KeySet
from internal.observability import metrics
from internal.ports.outgoing import FetchFailed
from internal.runtime.background import running

log = structlog.get_logger(__name__)


class JwksTimings(Struct, frozen=True):
    """In seconds. `refresh`: age at which the set is fetched again. `cooldown`: shortest time between two attempts. `stale`: how
    long a set is used while it can't be fetched again.
    """

    refresh: float
    cooldown: float
    stale: float


class JwksCache:
    """The key set as it was last fetched. `fetch` gets the document, `read` its keys; `clock` counts seconds.

    INVARIANT: between the end of an attempt and the begin of the next there is a cooldown
    (tests/unit/identity/tokens/test_jwks.py::test_a_thousand_unknown_keys_are_one_attempt_a_cooldown).
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[bytes]],
        read: Callable[[bytes], KeySet],
        timings: JwksTimings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._read = read
        self._timings = timings
        self._clock = clock
        self._document = b""
        self._keys: KeySet | None = None
        self._fetched_at = 0.0
        self._next_at = clock()
        self._attempt: asyncio.Task[None] | None = None
        self._failure: str | None = None

    def current(self) -> KeySet:
        """The keys. Raises TokenKeysUnavailable while there are none, or if they are older than `stale`."""
        if self._keys is None or self._clock() - self._fetched_at > self._timings.stale:
            raise TokenKeysUnavailable
        return self._keys

    async def look_for(self, kid: str | UnsetType) -> None:
        """Fetch the set once more if it lacks this key and the cooldown is over. Waits for an attempt that is under way."""
        if self._keys is None or not self._keys.knows(kid):
            await self.refresh()

    async def check(self) -> None:
        """Raise TokenKeysUnavailable, with the reason, if there are no keys or the last attempt failed."""
        if self._failure is not None:
            raise TokenKeysUnavailable(f"The keys for tokens can't be fetched: {self._failure}.")
        self.current()

    async def refresh(self) -> None:
        """Fetch the set, unless the last attempt ended less than a cooldown ago. A failure is logged, and raises nothing."""
        if self._attempt is None:
            if self._clock() < self._next_at:
                return
            self._attempt = asyncio.create_task(self._try(), name="jwks")
        await asyncio.shield(self._attempt)  # a client that hangs up does not end it: others wait for it too

    async def run(self) -> None:
        """Keep the set fresh until cancelled. Failed attempts are repeated after a cooldown."""
        while True:
            await self.refresh()
            soon = self._failure is not None
            await asyncio.sleep(self._timings.cooldown if soon else max(self._timings.refresh, self._timings.cooldown))

    async def close(self) -> None:
        """End the attempt that is under way."""
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.gather(self._attempt, return_exceptions=True)

    async def _try(self) -> None:
        try:
            self._take(await self._fetch())
        except (FetchFailed, InvalidKey) as error:
            self._fail(error.detail if isinstance(error, FetchFailed) else f"the document {error}")
        except Exception as error:
            log.error("jwks.crashed", exc_info=error)
            self._fail(type(error).__name__)
        finally:
            self._next_at = self._clock() + self._timings.cooldown
            self._attempt = None

    def _take(self, document: bytes) -> None:
        """Replace the keys, unless they are the same: verified tokens are remembered for one set."""
        if self._keys is None or document != self._document:
            keys = self._read(document)
            log.info("jwks.fetched", keys=len(keys.keys), kids=sorted({key.kid for key in keys.keys if key.kid}))
            if not keys.keys:
                log.warning("jwks.has_no_usable_key")
            self._keys, self._document = keys, document
        self._fetched_at, self._failure = self._clock(), None
        metrics.JWKS_FETCHES.labels("ok").inc()

    def _fail(self, reason: str) -> None:
        metrics.JWKS_FETCHES.labels("failed").inc()
        if reason != self._failure:
            log.warning("jwks.not_fetched", reason=reason, has_keys=self._keys is not None)
        self._failure = reason


@asynccontextmanager
async def open_jwks(cache: JwksCache) -> AsyncIterator[JwksCache]:
    """Keep the set fresh while the block runs. It does not wait for the first attempt: an issuer that is down stops no start."""
    async with running(jwks=cache.run()):
        try:
            yield cache
        finally:
            await cache.close()

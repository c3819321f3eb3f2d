"""Verification of API keys, with a cache that a revoked key does not outlive.

A key is found by its prefix and compared by its hash, in constant time. What the database said is trusted for TRUSTED_SECONDS and
then asked for again. So a request that comes later than that after a revocation is refused, whatever was lost in between: nothing
needs to arrive for it. A process that can't ask the database takes no key: most of its answers need the database too, and a
database that is down looks like one that it is cut off from, where keys may be revoked. The signal `api_key` makes it sooner.

All requests that wait for an answer share one statement, and one statement is under way at a time. It also asks for other keys in
use, before their time is over: the keys in use cost a process two statements a second together, not one a request. A flood of
keys that do not exist costs one connection. An unknown key is not remembered: a new key works at once.
"""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import structlog
from msgspec import Struct

from internal.domain.api_key import hash_of, is_well_formed, prefix_of
from internal.domain.errors import DatabaseUnavailable, Unauthenticated
from internal.domain.identity import Credential, Principal
from internal.ports.repository.api_keys import ApiKeys, StoredKey
from internal.ports.signals import Signals

log = structlog.get_logger(__name__)

TRUSTED_SECONDS = 1.0
"""The longest time for which an answer of the database is used."""

AHEAD_SECONDS = 0.5
"""The age at which an answer in use is renewed together with others."""

MAX_PREFIXES = 4096
"""Of the cache. Keys that exist fill it, and nothing else."""


class KnownKey(Struct):
    """A key as it was when it was looked up. `ends_at`: when it expires, by this process's monotonic clock; None for never."""

    id: UUID
    hash: bytes
    principal: Principal
    revoked: bool
    ends_at: float | None
    use_due: bool


class Answer(Struct):
    """What the database said of a prefix. `asked_at`: when it was asked, by the monotonic clock. `used` since then."""

    keys: list[KnownKey]
    asked_at: float
    used: bool = False


class KeyVerifier:
    """Verifier of API keys (see the module).

    INVARIANT: a key that was revoked more than TRUSTED_SECONDS before a request came is refused, also if the signal was lost
    (tests/integration/test_key_verifier.py).
    """

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys
        self._answers: dict[str, Answer] = {}
        """By prefix, the one that was asked for longest ago first."""
        self._asking = asyncio.Lock()
        self._wanted: set[str] = set()
        self._next: asyncio.Task[dict[str, Answer]] | None = None
        """The look-up that has not begun yet, for the prefixes in `_wanted`."""
        self._ahead_at = 0.0
        self._used: set[UUID] = set()
        self._recording: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def verify(self, credential: str) -> Principal:
        """The principal of the key. Raises Unauthenticated, and DatabaseUnavailable."""
        if not is_well_formed(credential):
            raise Unauthenticated("This is no API key: it is mistyped or cut short, its checksum does not fit.", rejected=True)
        prefix, hashed = prefix_of(credential), hash_of(credential)
        answer = self._answers.get(prefix)
        if answer is None or answer.asked_at <= time.monotonic() - TRUSTED_SECONDS:
            answer = await self._look_up(prefix)
        key = next((key for key in answer.keys if hmac.compare_digest(key.hash, hashed)), None)
        if key is None:
            raise Unauthenticated("There is no such API key.", rejected=True)
        if key.revoked:
            raise Unauthenticated("This API key was revoked.", rejected=True)
        if key.ends_at is not None and key.ends_at <= time.monotonic():
            raise Unauthenticated("This API key has expired.", rejected=True)
        answer.used = True
        if key.use_due:
            key.use_due = False
            self._record_later(key.id)
        return key.principal

    def forget(self, prefix: str) -> None:
        """Ask again before the next use of a key with this prefix; "": of any key."""
        if prefix:
            self._answers.pop(prefix, None)
        else:
            self._answers.clear()

    async def close(self) -> None:
        """Cancel what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look_up(self, prefix: str) -> Answer:
        """Join the next look-up. A request that is cancelled leaves it to the others."""
        self._wanted.add(prefix)
        if self._next is None:
            self._next = self._start(self._ask())
        return (await asyncio.shield(self._next))[prefix]

    async def _ask(self) -> dict[str, Answer]:
        async with self._asking:
            wanted, self._wanted, self._next = self._wanted, set(), None
            now = time.monotonic()
            if now >= self._ahead_at:
                self._ahead_at = now + AHEAD_SECONDS
                wanted |= {prefix for prefix, old in self._answers.items() if old.used and old.asked_at <= now - AHEAD_SECONDS}
            answers = {prefix: Answer([], now) for prefix in wanted}
            for stored in await self._keys.look_up(wanted):
                answers[stored.prefix].keys.append(_known(stored, now))
            self._remember(answers)
            return answers

    def _remember(self, answers: dict[str, Answer]) -> None:
        for prefix, answer in answers.items():
            self._answers.pop(prefix, None)  # so that it moves to the end
            if answer.keys:
                self._answers[prefix] = answer
        while len(self._answers) > MAX_PREFIXES:
            del self._answers[next(iter(self._answers))]

    def _record_later(self, key_id: UUID) -> None:
        """Have the use recorded, and wait for nothing."""
        self._used.add(key_id)
        if self._recording is None or self._recording.done():
            self._recording = self._start(self._record())

    async def _record(self) -> None:
        while self._used:
            used, self._used = self._used, set()
            try:
                await self._keys.record_use(used)
            except DatabaseUnavailable as error:
                log.warning("api_key.use_not_recorded", keys=len(used), detail=error.detail)

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _known(stored: StoredKey, asked_at: float) -> KnownKey:
    principal = Principal(stored.owner, frozenset(stored.scopes), Credential.KEY, str(stored.id))
    ends_at = None if stored.seconds_left is None else asked_at + stored.seconds_left
    return KnownKey(stored.id, stored.hash, principal, stored.revoked, ends_at, stored.use_due)


@asynccontextmanager
async def open_key_verifier(keys: ApiKeys, signals: Signals) -> AsyncIterator[KeyVerifier]:
    """A verifier that hears of revocations while the block runs."""
    verifier = KeyVerifier(keys)
    try:
        with signals.subscribed("api_key", verifier.forget):
            yield verifier
    finally:
        await verifier.close()

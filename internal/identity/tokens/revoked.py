"""What a process knows of revocations.

Each revocation has a number, and the highest tells whether there was one since. A process asks for it at most once in
TRUSTED_SECONDS, for all its tokens together, and at once after a signal. So a request that comes later than that after a
revocation knows of it, whatever was lost in between, and tokens cost no statement each.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from internal.ports.signals import Signals

TRUSTED_SECONDS = 1.0
"""The longest time for which the database's answer is used."""


class RevocationTable(Protocol):
    """The part of ports.repository.RevokedTokens that verifying needs."""

    async def latest_change(self) -> int | None: ...

    async def is_revoked(self, *, jti: str | None, owner: str, issued_at: float | None) -> bool: ...


class Revocations:
    """`clock` counts seconds.

    INVARIANT: a request that comes more than TRUSTED_SECONDS after a revocation, or after its signal, knows of it
    (tests/unit/identity/tokens/test_revoked.py).
    """

    def __init__(self, revoked: RevocationTable, clock: Callable[[], float] = time.monotonic) -> None:
        self._revoked = revoked
        self._clock = clock
        self._change = 0
        self._asked_at = self._not_before = clock() - 2 * TRUSTED_SECONDS
        self._asking: asyncio.Task[None] | None = None

    def forget(self, _: str = "") -> None:
        """Ask again before the next token. For the signal `revoked_token`."""
        self._not_before = self._clock()

    async def latest_change(self) -> int:
        """The number of the last revocation; 0 if there is none. Raises DatabaseUnavailable."""
        needed = self._clock() - TRUSTED_SECONDS
        while self._asked_at <= max(needed, self._not_before):
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask(), name="latest revocation")
                self._asking.add_done_callback(_retrieve)
            await asyncio.shield(self._asking)
        return self._change

    async def is_revoked(self, jti: str | None, owner: str, issued_at: float | None) -> bool:
        """See RevokedTokens. Asks the database, unless no token is revoked."""
        return self._change > 0 and await self._revoked.is_revoked(jti=jti, owner=owner, issued_at=issued_at)

    async def close(self) -> None:
        """End the statement that is under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> None:
        began = self._clock()
        try:
            self._change = await self._revoked.latest_change() or 0
            self._asked_at = began
        finally:
            self._asking = None


def _retrieve(task: asyncio.Task[None]) -> None:
    """Take the error of a statement whose askers have all hung up, so that nothing reports it as forgotten."""
    if not task.cancelled():
        task.exception()


@asynccontextmanager
async def open_revocations(revoked: RevocationTable, signals: Signals) -> AsyncIterator[Revocations]:
    """Hears of revocations while the block runs."""
    revocations = Revocations(revoked)
    try:
        with signals.subscribed("revoked_token", revocations.forget):
            yield revocations
    finally:
        await revocations.close()

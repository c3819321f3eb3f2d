"""The contract of the table of revoked tokens. What holds for all tables: repository.py."""

from typing import Protocol
from uuid import UUID

from internal.domain.revocation import Revocation


class RevokedTokens(Protocol):
    """Revocations. Each one is told to all processes when it is committed, as a signal on `revoked_token`."""

    async def revoke(self, revocation: Revocation, *, seconds: float) -> Revocation:
        """Store a revocation and return it with its times. It is kept for `seconds`, or until its own `expires_at`.

        One for the same `jti` or `owner` is extended: the later of both times holds. Only inside a transaction.
        """

    async def latest_change(self) -> int | None:
        """A number that is another one after each revocation; None if there are none."""

    async def is_revoked(self, *, jti: str | None, owner: str, issued_at: float | None) -> bool:
        """True for a token with this `jti`, or of this owner and issued (seconds since 1970) before the time of its revocation.

        A token that does not say when it was issued is revoked with any other of its owner.
        """

    async def page(self, *, limit: int, before: UUID | None = None) -> tuple[Revocation, ...]:
        """At most `limit` revocations, newest first; `before`: older than the one with this id."""

    async def purge(self, *, limit: int) -> int:
        """Remove at most `limit` that have expired. Returns how many."""

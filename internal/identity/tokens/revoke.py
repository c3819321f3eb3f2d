"""Revoke tokens."""

from internal.domain.audit import new_entry
from internal.domain.revocation import Revocation
from internal.ports.repository.repository import Repository


async def revoke(repository: Repository, revocation: Revocation, *, actor: str, seconds: float) -> Revocation:
    """Store the revocation with its entry of the audit, and return it. `seconds`: how long the longest token is valid."""
    async with repository.transaction() as work:
        stored = await work.revoked_tokens.revoke(revocation, seconds=seconds)
        target = revocation.jti if revocation.jti is not None else revocation.owner or ""
        details = {"by": "jti"} if revocation.jti is not None else {"by": "owner", "issued_before": f"{stored.issued_before}"}
        await work.audit.add(new_entry(actor, "token.revoked", target, **details))
    return stored

"""Revocations are removed when the tokens that they are about have expired anyway."""

from internal.ports.repository.repository import Repository

NAME = "purge_revoked_tokens"

BATCH = 1000
"""Rows of one round."""


async def purge_revoked_tokens(repository: Repository) -> int:
    """Remove a batch of revocations that have expired. Returns how many."""
    return await repository.revoked_tokens.purge(limit=BATCH)

"""Revoked tokens: one token by its id, or all tokens of an owner that were issued before a time."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

MAX_JTI = 200
"""Characters of a token's id."""


class Revocation(Struct, frozen=True):
    """Either `jti` is set, or `owner` and `issued_before`. After `expires_at` no such token can be valid any more. The times are
    None until it is stored; `issued_before` is then that of the database, if it was None.
    """

    id: UUID
    jti: str | None = None
    owner: str | None = None
    issued_before: datetime | None = None
    expires_at: datetime | None = None
    created_at: datetime | None = None


def is_jti(text: str) -> bool:
    """True for at most MAX_JTI printable characters."""
    return len(text) <= MAX_JTI and text.isprintable()

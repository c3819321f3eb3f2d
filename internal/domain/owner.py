"""An owner: whose images they are, and what is set for them."""

from datetime import datetime

from msgspec import Struct

MAX_OWNER = 200
"""Characters of an owner's name."""

UNLIMITED = 2**63 - 1
"""The value of a quota that is none: more than can be counted."""


class Owner(Struct, frozen=True):
    """What an admin has set for an owner.

    `weight`: the owner's share of the workers while several owners wait, as a multiple of another's; more than 0. A quota is None
    where the configured one holds, and UNLIMITED where none does; `quota_bytes` in bytes. The times are None until it is stored.
    """

    owner: str
    weight: float = 1.0
    quota_images: int | None = None
    quota_bytes: int | None = None
    quota_queued: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


def is_owner(text: str) -> bool:
    """True for 1 to MAX_OWNER printable characters, spaces among them."""
    return 1 <= len(text) <= MAX_OWNER and text.isprintable()

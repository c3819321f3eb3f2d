"""An owner: whose images they are, what is set for them, and how much they have and may have."""

from datetime import datetime

from msgspec import Struct

from internal.domain.errors import QuotaExceeded

MAX_OWNER = 200
"""Characters of an owner's name."""

UNLIMITED = 2**63 - 1
"""The value of a quota that is none: more than can be counted."""


class Usage(Struct, frozen=True):
    """How much an owner has: images, bytes (originals, and renditions with their alternatives), unfinished renditions."""

    images: int = 0
    bytes: int = 0
    queued: int = 0


class Quotas(Struct, frozen=True):
    """How much an owner may have; UNLIMITED where there is no quota."""

    images: int = UNLIMITED
    bytes: int = UNLIMITED
    queued: int = UNLIMITED

    @property
    def any(self) -> bool:
        return self != NO_QUOTAS

    def require(self, used: Usage, more: Usage) -> None:
        """Raise QuotaExceeded if `more` is too much. The quota of images is that of uploads: it refuses nothing else."""
        for name in Usage.__struct_fields__:
            wanted, taken, allowed = getattr(more, name), getattr(used, name), getattr(self, name)
            if taken + wanted > allowed and (wanted or name != "images"):
                raise quota_exceeded(name, taken, allowed)


NO_QUOTAS = Quotas()

WORDS = {"images": "images", "bytes": "bytes", "queued": "renditions that wait or are being made"}


def quota_exceeded(quota: str, used: int, allowed: int) -> QuotaExceeded:
    """The error of a quota, with its numbers."""
    detail = f"The owner has {used:,} of {allowed:,} {WORDS[quota]}, and this is more than is left."
    return QuotaExceeded(detail, quota=quota, used=used, allowed=allowed)


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

    def quotas(self, configured: Quotas) -> Quotas:
        """The quotas in force."""
        names = Quotas.__struct_fields__
        own = {name: getattr(self, f"quota_{name}") for name in names}
        return Quotas(**{name: getattr(configured, name) if own[name] is None else own[name] for name in names})


def is_owner(text: str) -> bool:
    """True for 1 to MAX_OWNER printable characters, spaces among them."""
    return 1 <= len(text) <= MAX_OWNER and text.isprintable()

"""The contract of the table of API keys. What holds for all tables: repository.py."""

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from internal.domain.api_key import ApiKey
from internal.domain.identity import Scope

USE_SECONDS = 60
"""The use of a key is recorded at most once in this time."""


class NewKey(Struct, frozen=True):
    """A key to store. `hash`: its SHA-256. `expires_in`: seconds from now, None for never."""

    id: UUID
    name: str
    owner: str
    scopes: tuple[Scope, ...]
    prefix: str
    hash: bytes
    expires_in: float | None


class StoredKey(Struct, frozen=True):
    """What a look-up tells of a key. `seconds_left` until it expires, None for never; `use_due`: its last use may be recorded."""

    id: UUID
    owner: str
    scopes: tuple[Scope, ...]
    prefix: str
    hash: bytes
    revoked: bool
    seconds_left: float | None
    use_due: bool


class ApiKeys(Protocol):
    """API keys. They are added and revoked, and never changed otherwise."""

    async def add(self, key: NewKey) -> ApiKey:
        """Store a new key, and return it as it is shown."""

    async def look_up(self, prefixes: Collection[str]) -> tuple[StoredKey, ...]:
        """All keys with these prefixes, revoked and expired ones too."""

    async def find(self, key_id: UUID) -> ApiKey | None: ...

    async def page(self, *, limit: int, before: UUID | None = None, owner: str | None = None) -> tuple[ApiKey, ...]:
        """At most `limit` keys, newest first; `before`: older than the key with this id; `owner`: of this owner only."""

    async def revoke(self, key_id: UUID) -> ApiKey | None:
        """Revoke the key, and signal its prefix on `api_key`. Returns None if it is unknown or revoked already."""

    async def record_use(self, key_ids: Collection[UUID]) -> None:
        """Record that these keys were used now, unless that was recorded less than USE_SECONDS ago."""

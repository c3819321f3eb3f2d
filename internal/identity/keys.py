"""API keys as admins create and revoke them."""

from collections.abc import AsyncIterator, Collection
from uuid import UUID

from internal.domain.api_key import ApiKey, hash_of, new_secret_key, prefix_of
from internal.domain.audit import new_entry
from internal.domain.errors import InvalidRequest, NotFound
from internal.domain.identity import Scope
from internal.domain.ids import new_id
from internal.domain.owner import MAX_OWNER, is_owner
from internal.ports.repository.api_keys import NewKey
from internal.ports.repository.repository import Repository

PAGE = 200

MAX_NAME = 200
"""Characters of a key's name."""

MAX_EXPIRES_IN = 100 * 365 * 86_400
"""Seconds."""


async def create_key(
    repository: Repository, actor: str, *, owner: str, scopes: Collection[str], name: str = "", expires_in: int | None = None
) -> tuple[ApiKey, str]:
    """A new key and its secret, which is not stored and can't be shown again. `expires_in`: seconds, None for never.

    The audit's entry is in the same transaction. Raises InvalidRequest, and DatabaseUnavailable.
    """
    check_owner(owner)
    _check(name, expires_in)
    allowed, secret = parse_scopes(scopes), new_secret_key()
    new = NewKey(new_id(), name, owner, allowed, prefix_of(secret), hash_of(secret), expires_in)
    async with repository.transaction() as work:
        key = await work.api_keys.add(new)
        details = {"owner": owner, "scopes": list(allowed), "name": name, "expires_in": expires_in}
        await work.audit.add(new_entry(actor, "key.created", str(key.id), **details))
    return key, secret


async def revoke_key(repository: Repository, actor: str, key_id: UUID) -> ApiKey:
    """Revoke the key: no process takes it any longer two seconds later. One that is revoked already stays as it is.

    The audit's entry is in the same transaction. Raises NotFound, and DatabaseUnavailable.
    """
    async with repository.transaction() as work:
        if revoked := await work.api_keys.revoke(key_id):
            await work.audit.add(new_entry(actor, "key.revoked", str(key_id), owner=revoked.owner, name=revoked.name))
            return revoked
        if already := await work.api_keys.find(key_id):
            return already
    raise NotFound("There is no such key.")


async def keys_of(repository: Repository, owner: str | None) -> AsyncIterator[ApiKey]:
    """All keys of the owner, newest first, revoked ones too; None: of every owner."""
    before = None
    while page := await repository.api_keys.page(limit=PAGE, before=before, owner=owner):
        for key in page:
            yield key
        before = page[-1].id


def parse_scopes(texts: Collection[str]) -> tuple[Scope, ...]:
    """The scopes, each once, in their own order. Raises InvalidRequest for an unknown one, and for none."""
    known = list(Scope)
    if unknown := [text for text in texts if text not in known]:
        raise InvalidRequest(f"There is no scope {unknown[0]!r}. There are: {', '.join(known)}.")
    if not texts:
        raise InvalidRequest(f"A key needs at least one scope: {', '.join(known)}.")
    return tuple(scope for scope in known if scope in texts)


def check_owner(owner: str) -> None:
    """Raises InvalidRequest for a text that is no owner."""
    if not is_owner(owner):
        raise InvalidRequest(f"The owner of a key has 1 to {MAX_OWNER} printable characters.")


def _check(name: str, expires_in: int | None) -> None:
    if len(name) > MAX_NAME or not name.isprintable():
        raise InvalidRequest(f"The name of a key has at most {MAX_NAME} printable characters.")
    if expires_in is not None and not 1 <= expires_in <= MAX_EXPIRES_IN:
        raise InvalidRequest("A key expires after 1 second to 100 years, or never if that is left out.")

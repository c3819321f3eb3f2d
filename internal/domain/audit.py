"""The audit: what admins do, as rows."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from internal.domain.identity import Credential, Principal
from internal.domain.ids import new_id


class AuditEntry(Struct, frozen=True):
    """One action of an admin.

    `actor`: `key:ID`, `token:SUBJECT` or `imagectl:USER`. `action`: the subject and a verb, like `key.created`. `target`: what it
    was done to, by id or name. `details` go to and come from JSON, and hold no secret. `time` is the database's, None until it is
    stored.
    """

    id: UUID
    actor: str
    action: str
    target: str
    details: dict[str, Any] = {}
    time: datetime | None = None


def new_entry(actor: str, action: str, target: str, **details: Any) -> AuditEntry:
    """An entry that is not stored yet."""
    return AuditEntry(new_id(), actor, action, target, details)


def actor_of(principal: Principal) -> str:
    """The actor of an entry for what was asked over HTTP."""
    return f"key:{principal.credential_id}" if principal.credential is Credential.KEY else f"token:{principal.owner}"

"""Quotas: how much an owner may have, looked at early, and set by an admin.

The transaction that stores is what refuses for certain: `Images.add` and `UsageCounts.require`. The early look saves a client
from sending a picture that would be refused.
"""

import contextlib
import time
from collections.abc import Mapping
from typing import Any, Literal

from msgspec.structs import asdict, replace

from internal.domain.audit import new_entry
from internal.domain.errors import QuotaExceeded
from internal.domain.owner import UNLIMITED, Owner, Quotas, Usage
from internal.limits.amounts import NONE, parse_amount
from internal.limits.settings import QuotaSettings
from internal.ports.repository.repository import Repository
from internal.ports.repository.usage import OwnerUsage

FRESH_SECONDS = 1.0
"""How long a look at an owner's usage serves further uploads."""

MAX_LOOKS = 10_000
"""Owners whose looks are kept."""


def configured_quotas(settings: QuotaSettings) -> Quotas:
    """Of an owner for whom nothing is set."""
    return Quotas(*(parse_amount(getattr(settings, name) or NONE) for name in Quotas.__struct_fields__))


def quotas_in_force(owner: Owner, configured: Quotas) -> dict[str, int | None]:
    """By name, as clients and operators read them; None: there is no quota."""
    quotas = asdict(owner.quotas(configured))
    return {name: None if quota == UNLIMITED else quota for name, quota in quotas.items()}


def quotas_as_set(owner: Owner) -> dict[str, int | Literal["none"] | None]:
    """By name, what is set for the owner: a number, `none`, or None where the configured quota holds."""
    quotas = {name: getattr(owner, f"quota_{name}") for name in Quotas.__struct_fields__}
    return {name: NONE if quota == UNLIMITED else quota for name, quota in quotas.items()}


class EarlyQuotaCheck:
    """Refuses an upload before its body is read. One statement an owner and FRESH_SECONDS, while there is room.

    INVARIANT: what was deleted can be uploaded again at once, because a refusal never goes by an old look
    (tests/integration/test_quotas.py::test_an_early_refusal_ends_with_a_delete).
    """

    def __init__(self, repository: Repository, configured: Quotas) -> None:
        self._repository, self._configured = repository, configured
        self._looks: dict[str, tuple[float, OwnerUsage]] = {}

    async def check(self, owner: str, least_bytes: int) -> None:
        """Raises QuotaExceeded if there is no room for one more image of `least_bytes` with one rendition."""
        more = Usage(images=1, bytes=max(1, least_bytes), queued=1)
        if owner in self._looks and time.monotonic() < self._looks[owner][0]:
            with contextlib.suppress(QuotaExceeded):  # it may have changed
                self._require(self._looks[owner][1], more)
                return
        look = await self._repository.usage.of(owner)
        if len(self._looks) >= MAX_LOOKS:
            self._looks.clear()
        self._looks[owner] = time.monotonic() + FRESH_SECONDS, look
        self._require(look, more)

    def _require(self, look: OwnerUsage, more: Usage) -> None:
        look.owner.quotas(self._configured).require(look.used, more)


async def set_owner(repository: Repository, actor: str, name: str, changes: Mapping[str, Any]) -> Owner:
    """Set an owner's weight and quotas, with an entry in the audit. Nothing is written if nothing changes.

    `changes` by the names of Owner's fields; what is not named stays.
    """
    async with repository.transaction() as work:
        before = await work.owners.lock(name)
        after = replace(before, **changes)
        if after == before:
            return after
        await work.owners.save(after)
        changed = {field: value for field, value in changes.items() if getattr(before, field) != value}
        was = {field: getattr(before, field) for field in changed}
        await work.audit.add(new_entry(actor, "owner.changed", name, before=was, after=changed))
    return after

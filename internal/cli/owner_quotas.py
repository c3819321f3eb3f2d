"""`imagectl owners list`, `show` and `set`: what owners have, and what they may have."""

import json
import sys
from argparse import Namespace
from typing import Any

import msgspec

from internal.cli.admin import actor, open_tables
from internal.cli.errors import EXIT_FAILED, UsageError
from internal.domain.owner import MAX_OWNER, Quotas, is_owner
from internal.limits.amounts import amount_text, parse_amount
from internal.limits.quotas import configured_quotas, quotas_as_set, quotas_in_force, set_owner
from internal.ports.repository.usage import OwnerUsage
from internal.settings.sections import Settings

PAGE = 200

DEFAULT = "default"


async def list_owners(args: Namespace, settings: Settings) -> int:
    """Print every owner, by name, one a line."""
    configured, after = configured_quotas(settings.quotas), None
    async with open_tables(settings) as repository:
        while page := await repository.usage.page(after=after, limit=PAGE):
            for found in page:
                print(json.dumps(_as_json(found, configured)) if args.json else _line(found, configured))
            after = page[-1].owner.owner
    return 0


async def show_owner(args: Namespace, settings: Settings) -> int:
    """Print one owner. Fails if nothing is known of the name."""
    async with open_tables(settings) as repository:
        found = await repository.usage.of(args.owner)
    _print_owner(found, args, configured_quotas(settings.quotas))
    if found.owner.created_at is None and not any(msgspec.structs.astuple(found.used)):
        print("imagectl: this owner has nothing, and nothing is set", file=sys.stderr)
        return EXIT_FAILED
    return 0


async def change_owner(args: Namespace, settings: Settings) -> int:
    """Set what is given, and print the owner as it is then."""
    if not is_owner(args.owner):
        raise UsageError(f"an owner's name has 1 to {MAX_OWNER} printable characters")
    quotas = {
        f"quota_{name}": parse_quota(name, getattr(args, name))
        for name in Quotas.__struct_fields__
        if getattr(args, name) is not None
    }
    changes = quotas | ({} if args.weight is None else {"weight": args.weight})
    if not changes:
        raise UsageError("nothing to set: --images, --bytes, --queued or --weight")
    async with open_tables(settings) as repository:
        await set_owner(repository, actor(), args.owner, changes)
        found = await repository.usage.of(args.owner)
    _print_owner(found, args, configured_quotas(settings.quotas))
    return 0


def parse_quota(name: str, text: str) -> int | None:
    """None for `default`. Raises UsageError."""
    if text == DEFAULT:
        return None
    try:
        return parse_amount(text)
    except ValueError as error:
        raise UsageError(f"--{name}: {error}, or default") from error


def _as_json(found: OwnerUsage, configured: Quotas) -> dict[str, Any]:
    """As GET /admin/owners shows it."""
    owner = found.owner
    return {
        "owner": owner.owner,
        **msgspec.structs.asdict(found.used),
        "limits": quotas_in_force(owner, configured),
        "weight": owner.weight,
        "quotas": quotas_as_set(owner),
        "created_at": msgspec.to_builtins(owner.created_at),
        "updated_at": msgspec.to_builtins(owner.updated_at),
    }


def _line(found: OwnerUsage, configured: Quotas) -> str:
    used, quotas = found.used, found.owner.quotas(configured)
    counts = (f"{name} {getattr(used, name):,} of {amount_text(getattr(quotas, name))}" for name in Quotas.__struct_fields__)
    return "  ".join((json.dumps(found.owner.owner, ensure_ascii=False), *counts, f"weight {found.owner.weight:g}"))


def _print_owner(found: OwnerUsage, args: Namespace, configured: Quotas) -> None:
    if args.json:
        print(json.dumps(_as_json(found, configured)))
        return
    quotas = found.owner.quotas(configured)
    print(f"owner   {json.dumps(found.owner.owner, ensure_ascii=False)}")
    for name in Quotas.__struct_fields__:
        used, allowed = getattr(found.used, name), getattr(quotas, name)
        source = "configured" if getattr(found.owner, f"quota_{name}") is None else "set for this owner"
        print(f"{name:<7} {used:,} of {amount_text(allowed)} ({source})")
    print(f"weight  {found.owner.weight:g}")

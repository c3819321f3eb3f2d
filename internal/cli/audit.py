"""`imagectl audit`: what admins did."""

import json
import sys
from argparse import Namespace
from functools import partial

import msgspec

from internal.cli.admin import open_tables, run_admin
from internal.domain.audit import AuditEntry
from internal.settings.sections import Settings

PAGE = 200


def audit(args: Namespace) -> int:
    """Print the entries, newest first, one a line."""
    return run_admin(partial(_audit, args))


async def _audit(args: Namespace, settings: Settings) -> int:
    shown, before = 0, None
    async with open_tables(settings) as repository:
        while page := await repository.audit.page(limit=PAGE, before=before, target=args.target):
            for entry in page:
                if shown == args.limit and not args.all:
                    print(f"imagectl: these are the newest {shown}; there are more: --limit N, --all", file=sys.stderr)
                    return 0
                print(json.dumps(msgspec.to_builtins(entry)) if args.json else _line(entry))
                shown += 1
            before = page[-1].id
    return 0


def _line(entry: AuditEntry) -> str:
    details = "  ".join(f"{name}={json.dumps(value)}" for name, value in entry.details.items())
    return (
        f"{entry.time:%Y-%m-%d %H:%M:%S}  {entry.actor:<24}  {entry.action:<22}  {json.dumps(entry.target)}  {details}".rstrip()
    )

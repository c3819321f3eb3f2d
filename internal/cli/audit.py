"""`imagectl audit`: what admins did."""

import json
from argparse import Namespace
from functools import partial

from internal.cli.admin import open_tables, run_admin
from internal.cli.listing import PAGE, all_pages, print_newest
from internal.domain.audit import AuditEntry
from internal.settings.sections import Settings


def audit(args: Namespace) -> int:
    """Print the entries, newest first, one a line."""
    return run_admin(partial(_audit, args))


async def _audit(args: Namespace, settings: Settings) -> int:
    async with open_tables(settings) as repository:
        entries = all_pages(lambda before: repository.audit.page(limit=PAGE, before=before, target=args.target))
        await print_newest(entries, args, _line)
    return 0


def _line(entry: AuditEntry) -> str:
    details = "  ".join(f"{name}={json.dumps(value)}" for name, value in entry.details.items())
    return (
        f"{entry.time:%Y-%m-%d %H:%M:%S}  {entry.actor:<24}  {entry.action:<22}  {json.dumps(entry.target)}  {details}".rstrip()
    )

"""`imagectl owners export` and `delete`: all that an owner has, as files, or removed with a receipt."""

import json
import sys
from argparse import Namespace
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

from internal.cli.admin import actor
from internal.cli.errors import EXIT_FAILED, CommandError, UsageError
from internal.cli.progress import ProgressCounter
from internal.maintenance.owner_deletion import OwnerDeletion
from internal.maintenance.owner_export import export_owner
from internal.settings.sections import Settings
from internal.wiring.operator import open_repository_and_store

GIBIBYTE = 2**30


async def export(args: Namespace, settings: Settings) -> int:
    """Write the owner's images to the folder. Fails if an object is lost; the others are written all the same."""
    progress = ProgressCounter("bytes written", GIBIBYTE)
    async with open_repository_and_store(settings) as (repository, store):
        await repository.check()
        try:
            totals = await export_owner(repository, store, args.owner, args.to, wrote=progress.add)
        except OSError as error:
            raise CommandError(f"{error.filename or args.to}: {error.strerror or error}") from error
    for path in totals.lost:
        print(f"imagectl: {path}: its object is lost or damaged", file=sys.stderr)
    facts = {"owner": args.owner, "folder": str(args.to), **msgspec.structs.asdict(totals)}
    print(json.dumps(facts) if args.json else _summary(facts))
    return EXIT_FAILED if totals.lost else 0


async def delete(args: Namespace, settings: Settings) -> int:
    """Delete all that the owner has. Each image is a line of the receipt as soon as it is gone; the last line is the totals."""
    if not args.yes:
        raise UsageError("deletion can't be undone, and requires --yes; `owners export` saves the owner's data before")
    try:
        with args.receipt.open("a+", encoding="utf-8") as receipt:
            _check(receipt, args.owner)
            totals = await _delete(args.owner, receipt, settings)
    except OSError as error:
        raise CommandError(f"{args.receipt}: {error.strerror}") from error
    print(json.dumps(totals) if args.json else _summary(totals))
    return 0


async def _delete(owner: str, receipt: TextIO, settings: Settings) -> dict[str, Any]:
    progress = ProgressCounter("images deleted", every=1000)
    async with open_repository_and_store(settings) as (repository, store):
        await repository.check()
        deletion = OwnerDeletion(repository, store, owner, actor(), token_seconds=settings.jwt.valid_seconds)
        _write({"started_at": _now(), "owner": owner}, receipt)
        await deletion.begin()
        async for image in deletion.images():
            _write({"deleted_at": _now(), **msgspec.to_builtins(image)}, receipt)
            progress.add()
        totals = {"finished_at": _now(), **msgspec.structs.asdict(await deletion.finish())}
    _write(totals, receipt)
    return totals


def _check(receipt: TextIO, owner: str) -> None:
    """A receipt goes on, and its lines of images name no owner. So a file that is another owner's, or no receipt, is refused."""
    receipt.seek(0)
    try:
        first = receipt.readline()
        known = not first or json.loads(first)["owner"] == owner
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise UsageError(f"{receipt.name} is no receipt of this owner: name another file. Nothing was deleted")


def _write(facts: dict[str, Any], receipt: TextIO) -> None:
    """Append a line at once: what is gone is in the receipt, whenever the process ends."""
    receipt.write(json.dumps(facts) + "\n")
    receipt.flush()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _summary(facts: dict[str, Any]) -> str:
    width = max(map(len, facts))
    return "\n".join(f"{name:<{width}}  {len(value) if name == 'lost' else value}" for name, value in facts.items())

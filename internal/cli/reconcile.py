"""`imagectl reconcile`: compare the object store with the tables, in both directions, and owners' usage with what is there."""

import json
import sys
from argparse import Namespace
from collections import Counter
from functools import partial
from typing import Any

import msgspec

from internal.cli.admin import run_admin
from internal.cli.errors import EXIT_FAILED, CommandError
from internal.cli.progress import ProgressCounter
from internal.domain.owner import Usage
from internal.maintenance.reconcile import Comparison, EmptyDatabase, Finding, FindingKind, reconcile
from internal.maintenance.usage import Recount
from internal.ports.repository.repository import Repository
from internal.settings.sections import Settings
from internal.wiring.operator import open_repository_and_store

PROGRESS = 10_000
USAGE = "usage_drift"
GIBIBYTE = 2**30
REPAIRS = {
    FindingKind.UNREFERENCED: "listed for removal",
    FindingKind.MISSING_RENDITION: "queued to be regenerated",
    FindingKind.DAMAGED_RENDITION: "queued to be regenerated",
}


def compare(args: Namespace) -> int:
    """Print one line for each finding, and a last line with the counts. Fails if there are findings that were not repaired."""
    return run_admin(partial(_compare, args))


async def _compare(args: Namespace, settings: Settings) -> int:
    objects, rows = ProgressCounter("objects checked", PROGRESS), ProgressCounter("rows checked", PROGRESS)
    read = ProgressCounter("bytes read", GIBIBYTE)
    found: Counter[FindingKind] = Counter()
    mended = 0
    async with open_repository_and_store(settings) as (repository, store):
        await repository.check()
        compared = Comparison(
            repository,
            store,
            older_seconds=args.older_than,
            mend=args.fix,
            objects=objects.add,
            rows=rows.add,
            read=read.add if args.read else None,
        )
        try:
            async for finding in reconcile(compared):
                _print_outcome(finding, args)
                found[finding.kind] += 1
                mended += finding.mended
        except EmptyDatabase as error:
            raise CommandError("The database has no image. Is it the right one? Nothing was changed.") from error
        drift = await _recount(repository, args)
        mended += len(drift) * args.fix
    checked = {"objects": objects.count, "rows": rows.count, "bytes_read": read.count}
    faults = {**{kind.value: found[kind] for kind in FindingKind}, USAGE: len(drift)}
    _print_summary({**checked, **faults, "mended": mended}, args)
    return EXIT_FAILED if sum(faults.values()) > mended else 0


async def _recount(repository: Repository, args: Namespace) -> dict[str, Usage]:
    """Count every owner's usage anew, and print those whose count is wrong; --fix corrects them."""
    recount = Recount(repository)
    try:
        while await recount.count_page():
            pass
        drift = await recount.finish(fix=args.fix)
    except BaseException:
        await recount.cancel()
        raise
    for owner, usage in drift.items():
        difference = msgspec.structs.asdict(usage)
        if args.json:
            print(json.dumps({"kind": USAGE, "owner": owner, **difference, "mended": args.fix}), flush=True)
        else:
            counts = ", ".join(f"{name} {value:+,}" for name, value in difference.items())
            print("  ".join([f"{USAGE:<17}", json.dumps(owner), counts, *["corrected"] * args.fix]), flush=True)
    return drift


def _print_outcome(finding: Finding, args: Namespace) -> None:
    """Print a finding. Its key includes the image's id."""
    repair = REPAIRS[finding.kind] if finding.mended else None
    words = (f"{finding.kind.value:<17}", finding.key, finding.rendition, finding.detail, repair)
    line = "  ".join(word for word in words if word)
    print(json.dumps(msgspec.to_builtins(finding)) if args.json else line, flush=True)


def _print_summary(counts: dict[str, Any], args: Namespace) -> None:
    if args.json:
        print(json.dumps(counts))
        return
    kinds = [*(kind.value for kind in FindingKind), USAGE]
    findings = ", ".join(f"{counts[kind]:,} {kind.replace('_', ' ')}" for kind in kinds)
    read = f", {counts['bytes_read']:,} bytes read" if args.read else ""
    print(f"{counts['objects']:,} objects and {counts['rows']:,} rows checked{read}: {findings}; {counts['mended']:,} repaired")
    left = sum(counts[kind] for kind in kinds) - counts["mended"]
    if left and not args.fix:
        print("imagectl: nothing was changed; --fix repairs what can be repaired", file=sys.stderr)

"""`imagectl reconcile`: the object store compared with the tables, both ways."""

import json
import sys
from argparse import Namespace
from collections import Counter
from functools import partial
from typing import Any

import msgspec

from internal.cli.admin import operate
from internal.cli.errors import EXIT_FAILED, CommandError
from internal.cli.progress import Progress
from internal.maintenance.reconcile import Comparison, EmptyDatabase, Finding, FindingKind, reconcile
from internal.settings.sections import Settings
from internal.wiring.operator import open_repository_and_store

PROGRESS = 10_000
GIBIBYTE = 2**30
MENDED = {
    FindingKind.UNREFERENCED: "listed for removal",
    FindingKind.MISSING_RENDITION: "queued to be made again",
    FindingKind.DAMAGED_RENDITION: "queued to be made again",
}


def compare(typed: Namespace) -> int:
    """One line a finding, and a last one with the counts. Fails when something is wrong and was not mended."""
    return operate(partial(_compare, typed))


async def _compare(typed: Namespace, settings: Settings) -> int:
    objects, rows = Progress("objects looked at", PROGRESS), Progress("rows looked at", PROGRESS)
    read = Progress("bytes read", GIBIBYTE)
    found: Counter[FindingKind] = Counter()
    mended = 0
    async with open_repository_and_store(settings) as (repository, store):
        await repository.check()
        compared = Comparison(
            repository,
            store,
            older_seconds=typed.older_than,
            mend=typed.fix,
            objects=objects.add,
            rows=rows.add,
            read=read.add if typed.read else None,
        )
        try:
            async for finding in reconcile(compared):
                _tell(finding, typed)
                found[finding.kind] += 1
                mended += finding.mended
        except EmptyDatabase as error:
            raise CommandError("The database has no image: is it the right one? Nothing was mended.") from error
    looked_at = {"objects": objects.count, "rows": rows.count, "bytes_read": read.count}
    _sum_up({**looked_at, **{kind.value: found[kind] for kind in FindingKind}, "mended": mended}, typed)
    return EXIT_FAILED if found.total() > mended else 0


def _tell(finding: Finding, typed: Namespace) -> None:
    """The key has the image's id in it."""
    what_was_done = MENDED[finding.kind] if finding.mended else None
    words = (f"{finding.kind.value:<17}", finding.key, finding.rendition, finding.detail, what_was_done)
    line = "  ".join(word for word in words if word)
    print(json.dumps(msgspec.to_builtins(finding)) if typed.json else line, flush=True)


def _sum_up(counts: dict[str, Any], typed: Namespace) -> None:
    if typed.json:
        print(json.dumps(counts))
        return
    told = ", ".join(f"{counts[kind.value]:,} {kind.value.replace('_', ' ')}" for kind in FindingKind)
    read = f", {counts['bytes_read']:,} bytes read" if typed.read else ""
    print(f"{counts['objects']:,} objects and {counts['rows']:,} rows looked at{read}: {told}; {counts['mended']:,} mended")
    left = sum(counts[kind.value] for kind in FindingKind) - counts["mended"]
    if left and not typed.fix:
        print("imagectl: nothing was changed; --fix mends what can be mended", file=sys.stderr)

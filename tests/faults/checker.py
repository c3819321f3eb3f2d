"""Checker of a run: compares the clients' records with the real state. It does not use the service's code."""

from collections import Counter
from dataclasses import dataclass, field

from tests.faults.evidence import Evidence, Places, gather
from tests.faults.rules import POLICY, Told


@dataclass(frozen=True)
class Violation:
    rule: str
    detail: str


@dataclass
class Verdict:
    counted: dict[str, int]
    violations: list[Violation] = field(default_factory=list)

    @property
    def broken(self) -> set[str]:
        """The rules that were broken."""
        return {violation.rule for violation in self.violations}

    def __str__(self) -> str:
        lines = [f"{name:<28}{number:>8}" for name, number in self.counted.items()]
        lines += [f"BROKEN {violation.rule}: {violation.detail}" for violation in self.violations[:50]]
        return "\n".join([*lines, f"{'violations':<28}{len(self.violations):>8}"])


def check(places: Places, told: Told) -> Verdict:
    """Hold every rule against what is there, and print what was counted. For when nothing more is under way."""
    evidence = gather(places)
    verdict = Verdict(_counted(evidence, told))
    for rule in POLICY:
        verdict.violations += [Violation(rule.__name__, detail) for detail in rule(evidence, told)]
    print(verdict)
    return verdict


def _counted(evidence: Evidence, told: Told) -> dict[str, int]:
    statuses = Counter(row["status"] for row in evidence.tables["images"])
    renditions = evidence.tables["renditions"]
    known = told.accepted | told.deleted | told.doubtful
    return {
        "accepted": len(told.accepted),
        "deleted": len(told.deleted),
        "images": len(evidence.images),
        "images never answered": len(evidence.images.keys() - known),
        **{f"images {status}": number for status, number in sorted(statuses.items())},
        "renditions": len(renditions),
        "attempts": sum(row["attempt"] for row in renditions),
        "alternatives": len(evidence.alternatives()),
        "objects": len(evidence.keys),
        **{table: len(evidence.tables[table]) for table in ("events", "dead_letters", "outbox", "unreferenced_objects")},
        "events exported": len(evidence.published_events or ()),
        "dead letters exported": len(evidence.published_dead_letters or ()),
    }

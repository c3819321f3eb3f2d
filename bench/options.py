"""The command line of `python -m bench`."""

import argparse

from bench.deployments import OPENERS
from bench.parts.compared import NOT_COMPARED
from bench.parts.every import ALONE, DEPLOYED, NAMED_ONLY

PARTS = [*ALONE, *DEPLOYED]
DESCRIPTION = "Measure rendering alone and both deployments, print the tables and keep them in bench/results."


def parsed(arguments: list[str]) -> argparse.Namespace:
    """`quick`, `only` (parts), `deployment` (names) and `compare` (a revision or None). Exits when one is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=DESCRIPTION)
    parser.add_argument("--quick", action="store_true", help="short rounds, and few of them")
    unnamed = f"{', '.join(sorted(NAMED_ONLY))}: only when named, some minutes a deployment"
    listed = f"these parts only, with commas between them or repeated: {', '.join(PARTS)}; {unnamed}"
    parser.add_argument("--only", action="append", default=[], type=_listed, metavar="PART", help=listed)
    parser.add_argument("--deployment", action="append", choices=[*OPENERS], help="this deployment only; may be repeated")
    parser.add_argument("--compare", metavar="REVISION", help="measure this tree and another revision's in turns")
    options = parser.parse_args(arguments)
    options.only = [part for parts in options.only for part in parts]
    if options.compare and options.only and all(part in NOT_COMPARED for part in options.only):
        reasons = "; ".join(f"{part}: {NOT_COMPARED[part]}" for part in options.only)
        parser.error(f"nothing of this can be compared: {reasons}")
    options.only = options.only or [part for part in PARTS if part not in NAMED_ONLY]
    options.deployment = options.deployment or [*OPENERS]
    return options


def _listed(text: str) -> list[str]:
    parts = [part for part in text.split(",") if part]
    if unknown := [part for part in parts if part not in PARTS]:
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(unknown)} (choose from {', '.join(PARTS)})")
    return parts

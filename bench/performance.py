"""The tables of docs/performance.md: `python -m bench.performance bench/results/20261121-120000.json …` writes them in place.

A table stands between `<!-- bench: PART -->` and `<!-- end of table -->`. Of a part that several files hold, the last one counts.
"""

import re
import sys
from pathlib import Path

import msgspec

from bench.report import Report, Result, table
from internal.runtime.project import PROJECT

PAGE = PROJECT / "docs" / "performance.md"
BLOCK = re.compile(r"(<!-- bench: ([a-z]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
RANGE = re.compile(r" \[[^]]*\]")


def main() -> None:
    reports = [msgspec.json.decode(Path(name).read_bytes(), type=Report) for name in sys.argv[1:]]
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), reports), encoding="utf-8")


def written(text: str, reports: list[Report]) -> str:
    """`text` with the tables of all parts that were measured; the others stay. Raises ValueError for a part without a place."""
    latest = {(result.part, result.deployment): result for report in reports for result in report.results}
    places = [part for _, part, _ in BLOCK.findall(text)]
    if missing := sorted({part for part, _ in latest} - set(places)):
        raise ValueError(f"docs/performance.md has no place for {', '.join(missing)}")

    def place(block: re.Match[str]) -> str:
        results = [result for (part, _), result in latest.items() if part == block[2]]
        return f"{block[1]}{_together(results)}\n{block[3]}" if results else block[0]

    return BLOCK.sub(place, text)


def _together(results: list[Result]) -> str:
    """One part's short columns, medians only; a column says the deployment where there are several."""
    first = results[0]
    columns = first.short or first.columns
    places = [first.columns.index(column) for column in columns]
    lines = [[_shown(row[place]) for place in places] for result in results for row in result.rows]
    heads = [_shown(column[0].upper() + column[1:]) for column in columns]
    if len(results) > 1:
        names = [result.deployment for result in results for _ in result.rows]
        heads, lines = ["Deployment", *heads], [[name, *line] for name, line in zip(names, lines, strict=True)]
    return "\n".join(table(heads, lines))


def _shown(cell: str) -> str:
    return RANGE.sub("", cell).replace("->", "→")


if __name__ == "__main__":
    main()

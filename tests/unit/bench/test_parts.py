"""Every part of the measurement has a place in docs/performance.md, once one of them has."""

import pytest

from bench.parts.every import ALONE, DEPLOYED, NAMED_ONLY, ONCE
from bench.performance import BLOCK, PAGE, written
from bench.report import Report, Result

PARTS = [*ALONE, *DEPLOYED]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_finds_its_place(part: str) -> None:
    result = Result(part, "Title", "", ["a"], [["1"]], [], {})

    shown = written(f"<!-- bench: {part} -->\n<!-- end of table -->\n", [Report("now", "2 cores", [0.1], {}, [result])])

    assert shown == f"<!-- bench: {part} -->\n| A |\n| --- |\n| 1 |\n<!-- end of table -->\n"


def test_the_page_has_a_place_for_every_part() -> None:
    places = {part for _, part, _ in BLOCK.findall(PAGE.read_text(encoding="utf-8"))}

    assert places == set(PARTS)


def test_exceptions_are_parts() -> None:
    assert DEPLOYED.keys() >= ONCE | NAMED_ONLY

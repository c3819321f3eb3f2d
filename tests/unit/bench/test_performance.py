"""The measurements in docs/performance.md come out of the files that a run leaves."""

import pytest

from bench.performance import written
from bench.report import Report, Result

PAGE = (
    "before\n<!-- bench: worker -->\nold\n<!-- end of table -->\nbetween\n<!-- bench: chains -->\nkept\n<!-- end of table -->\n"
)


def report(*results: Result) -> Report:
    return Report("2026-11-21T12:00:00+0000", "2 cores", [0.1], {}, list(results))


def worker(deployment: str, rate: str) -> Result:
    columns, row = ["picture", "images/s", "steps ms"], ["12 MP -> 300 jpeg", rate, "1 + 2"]
    return Result("worker", "Worker", deployment, columns, [row], [], {}, columns[:2])


def test_a_table_takes_the_short_columns_and_the_medians_of_the_last_file_and_leaves_the_rest() -> None:
    old, new = report(worker("standalone", "1.0")), report(worker("standalone", "23.2 [20.5-23.6]"), worker("full stack", "17.0"))

    assert written(PAGE, [old, new]) == (
        "before\n<!-- bench: worker -->\n"
        "| Deployment | Picture | Images/s |\n| --- | --- | --- |\n"
        "| standalone | 12 MP → 300 jpeg | 23.2 |\n| full stack | 12 MP → 300 jpeg | 17.0 |\n"
        "<!-- end of table -->\nbetween\n<!-- bench: chains -->\nkept\n<!-- end of table -->\n"
    )


def test_a_part_without_a_place_is_named() -> None:
    lost = Result("lanes", "Lanes", "standalone", ["a"], [["1"]], [], {})

    with pytest.raises(ValueError, match="no place for lanes"):
        written(PAGE, [report(lost)])

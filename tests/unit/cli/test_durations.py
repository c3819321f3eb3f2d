"""Durations of `imagectl keys create --expires`."""

import pytest

from internal.cli.durations import parse_duration
from internal.cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90d", 7_776_000), ("12h", 43_200), ("30m", 1800), ("45s", 45), ("2w", 1_209_600), ("0d", 0)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "d", "90D", "-1d", "1.5d", "1d ", "1d2h", "\u0661d", "9" * 40 + "d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="such as 90d"):
        parse_duration(text)

"""RATE_LIMIT_…: `N/seconds`, or nothing."""

import pytest

from internal.domain.rates import Rate
from internal.limits.settings import rate_of
from internal.runtime.section import SettingsError
from internal.settings.loader import load_settings

SET = {"APP_PROFILE": "standalone"}


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("", None),
        (" ", None),
        ("100/60", Rate(100, 60)),
        (" 1/1 ", Rate(1, 1)),
        ("999999999999999/31622400", Rate(999_999_999_999_999, 31_622_400)),
    ],
)
def test_a_rate_is_a_number_and_seconds(text: str, rate: Rate | None) -> None:
    assert rate_of(text) == rate
    load_settings({**SET, "RATE_LIMIT_UPLOADS": text}).validate()


@pytest.mark.parametrize(
    "text", ["100", "0/60", "100/0", "-1/60", "1e3/60", "100/60/1", "1.5/60", "/60", "1000000000000000/1", "1/31622401", "٣/٦٠"]
)
@pytest.mark.parametrize("variable", ["RATE_LIMIT_REQUESTS", "RATE_LIMIT_UPLOADS", "RATE_LIMIT_UPLOAD_BYTES"])
def test_anything_else_is_refused_by_the_variables_name(variable: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}: "):
        load_settings({**SET, variable: text}).validate()


def test_there_is_no_limit_unless_one_is_set() -> None:
    rates = load_settings(SET).rates
    assert (rates.requests, rates.uploads, rates.upload_bytes) == ("", "", "")

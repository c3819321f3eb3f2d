"""Amounts as people write them, and the settings that are written so."""

import pytest

from internal.domain.owner import NO_QUOTAS, UNLIMITED, Quotas
from internal.limits.amounts import parse_amount
from internal.limits.quotas import configured_quotas
from internal.runtime.section import SettingsError
from internal.settings.loader import load_settings


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0", 0), ("250", 250), ("1K", 1024), ("3M", 3 * 2**20), ("10G", 10 * 2**30), ("2T", 2**41), ("none", UNLIMITED)],
)
def test_an_amount_is_a_number_with_or_without_a_unit(text: str, amount: int) -> None:
    assert parse_amount(text) == amount


@pytest.mark.parametrize("text", ["", "-1", "1.5G", "10GB", "10g", "G", " 1", "1_000", "٣", "9" * 18 + "T", str(UNLIMITED)])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a number"):
        parse_amount(text)


def test_an_empty_setting_is_no_quota() -> None:
    assert configured_quotas(load_settings({}).quotas) == NO_QUOTAS
    assert not NO_QUOTAS.any


def test_settings_are_amounts() -> None:
    settings = load_settings({"QUOTA_IMAGES": "10", "QUOTA_BYTES": "999999T"}).quotas

    assert configured_quotas(settings) == Quotas(10, 999_999 * 2**40, UNLIMITED)


@pytest.mark.parametrize("text", ["much", "-1", "none", "1000000T"])
def test_the_variable_is_named_that_is_wrong(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^QUOTA_BYTES \(quotas.bytes\)"):
        load_settings({"QUOTA_BYTES": text})

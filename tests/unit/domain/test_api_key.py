"""API keys: their form and checksum, by values from other programs (gzip's CRC-32, bc's base 62, sha256sum)."""

import re

import pytest

from internal.domain.api_key import hash_of, is_well_formed, key_of, new_secret_key, prefix_of

ZERO = "imgp_" + "0" * 43 + "0eHWVB"
"""The CRC-32 of `imgp_000…` is 595229957: in base 62 the digits 0 40 17 32 31 11."""

LARGEST = "imgp_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp12VVHb3"
"""2^256 - 1: in base 62 the digits 60 43 45 54 46 58 …"""


@pytest.mark.parametrize(("secret", "key"), [(0, ZERO), (2**256 - 1, LARGEST)])
def test_a_key_has_256_bits_and_a_checksum(secret: int, key: str) -> None:
    assert key_of(secret) == key
    assert is_well_formed(key)


def test_what_is_kept_of_a_key() -> None:
    assert prefix_of(LARGEST) == "imgp_yhjskwdA"
    assert hash_of(ZERO).hex() == "8219dcc4d2b8737a86c1079df51e7572698970e5776d7b142bfba370dbd85349"


def test_a_new_key_is_another_each_time_and_uses_all_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {new_secret_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch("imgp_[0-9A-Za-z]{49}", key) and is_well_formed(key) for key in keys)
    monkeypatch.setattr("secrets.randbits", lambda bits: 2**bits - 1)
    assert new_secret_key() == LARGEST


def test_every_mistyped_character_is_noticed() -> None:
    for position in range(len(LARGEST)):
        for other in "0Zz_":
            mistyped = LARGEST[:position] + other + LARGEST[position + 1 :]
            assert is_well_formed(mistyped) == (mistyped == LARGEST), mistyped
    for position in range(len(LARGEST) - 1):  # two neighbours change places
        first, second = LARGEST[position], LARGEST[position + 1]
        swapped = LARGEST[:position] + second + first + LARGEST[position + 2 :]
        assert is_well_formed(swapped) == (first == second), swapped


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            "imgp_",
            LARGEST[:-1],
            LARGEST + "0",
            LARGEST + "\n",
            " " + LARGEST,
            LARGEST.upper(),
            LARGEST.replace("imgp", "IMGP"),
        ],
        *[LARGEST[:20] + "é" + LARGEST[21:], LARGEST[:20] + "\u0661" + LARGEST[21:], "x" * 1_000_000],
    ],
)
def test_anything_else_is_no_key(text: str) -> None:
    assert not is_well_formed(text)

"""Amounts as people write them: `250`, `10G`, `none`."""

import re
from typing import Literal

from internal.domain.owner import UNLIMITED

NONE: Literal["none"] = "none"

_AMOUNT = re.compile(r"([0-9]{1,18})([KMGT]?)")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_amount(text: str) -> int:
    """The number, UNLIMITED for `none`. K, M, G and T are powers of 1024. Raises ValueError, with a text for people."""
    if text == NONE:
        return UNLIMITED
    match = _AMOUNT.fullmatch(text)
    amount = int(match[1]) * _UNITS[match[2]] if match else UNLIMITED
    if amount >= UNLIMITED:
        raise ValueError("expected a number, which may end in K, M, G or T (10G is 10 · 1024³), or none")
    return amount


def amount_text(amount: int) -> str:
    return NONE if amount == UNLIMITED else f"{amount:,}"

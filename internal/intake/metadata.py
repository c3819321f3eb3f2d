"""An image's metadata: the client's JSON object, stored and returned as the text that was sent.

Everything that is accepted can be read by JSON readers, whose numbers are doubles (RFC 8259, section 6), and by PostgreSQL's
jsonb, which old code reads until the next release. A value that one of them can't hold is refused, never changed.
"""

import json
import math
from typing import Any

from msgspec import Struct, field

from internal.domain.errors import InvalidRequest

MAX_DEPTH = 100
"""Levels. The JSON writers of the database and of the API have limits of their own, which are higher."""

MAX_DECIMALS = 16383
"""Digits after the decimal point: the maximum of PostgreSQL's numeric."""

MAX_WHOLE_DIGITS = 300
"""An integer of so many digits always fits a double. A longer one is checked."""

_SURROGATES = range(0xD800, 0xE000)


class Metadata(Struct, frozen=True):
    """`text` is stored and shown. `value` is its meaning: numbers are doubles, and the last of equal keys counts."""

    text: str = "{}"
    value: dict[str, Any] = field(default_factory=dict)


def read_metadata(text: str) -> Metadata:
    """Parse and check metadata; `null` is empty. Raises InvalidRequest for another JSON value, or one that can't be stored."""
    try:
        value = json.loads(text, parse_float=_number, parse_int=_whole, parse_constant=_constant)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise InvalidRequest(f"The `metadata` is not a JSON object: {error}.") from error
    if value is None:
        return Metadata()
    if not isinstance(value, dict):
        raise InvalidRequest("The `metadata` is not a JSON object, but another JSON value.")
    _check(json.loads(text, object_pairs_hook=tuple))
    return Metadata(text.strip(), value)


def _number(text: str) -> float:
    """The value of a number. Raises InvalidRequest if it exceeds a double, or has more decimals than PostgreSQL stores."""
    mantissa, _, exponent = text.lower().partition("e")
    value = float(text)
    lost = math.isinf(value) or (value == 0 and bool(set(mantissa) & set("123456789")))
    shift = int(exponent.lstrip("+-0")[:8] or "0") * (-1 if exponent.startswith("-") else 1)
    decimals = len(mantissa.partition(".")[2]) - shift
    if lost or max(decimals, abs(shift)) > MAX_DECIMALS:
        raise InvalidRequest(f"The `metadata` holds the number {text[:40]}, which is beyond what JSON readers can hold.")
    return value


def _whole(text: str) -> int:
    if len(text) > MAX_WHOLE_DIGITS:
        _number(text)
    return int(text)


def _constant(name: str) -> Any:
    raise InvalidRequest(f"The `metadata` is not a JSON object: {name} is no JSON.")


def _check(metadata: tuple[Any, ...]) -> None:
    """Raises InvalidRequest for metadata that is nested too deeply, or holds U+0000 or half of a surrogate pair.

    An object is a tuple of names and values here: PostgreSQL reads all values of equal keys, so all are checked. The check goes
    level by level and needs no recursion.
    """
    level: list[Any] = [metadata]
    for _ in range(MAX_DEPTH + 1):
        for text in (value for value in level if isinstance(value, str)):
            if "\0" in text:
                raise InvalidRequest("The `metadata` holds the character U+0000, which can't be kept.")
            if not text.isascii() and any(ord(sign) in _SURROGATES for sign in text):
                raise InvalidRequest("The `metadata` holds half of a surrogate pair, which is no character and can't be kept.")
        level = [inner for value in level for inner in _inner(value)]
        if not level:
            return
    raise _too_deep()


def _inner(value: Any) -> list[Any]:
    if isinstance(value, tuple):
        return [part for pair in value for part in pair]
    return value if isinstance(value, list) else []


def _too_deep() -> InvalidRequest:
    return InvalidRequest(f"The `metadata` is nested deeper than {MAX_DEPTH} levels.")

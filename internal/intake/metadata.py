"""An image's metadata: a JSON object of the client's, kept and given back as the text that came.

What is taken can be held by everything that reads it: by JSON readers, whose numbers are doubles (RFC 8259, section 6), and by
PostgreSQL's jsonb, where old code looks for it until the next release. What one of them can't hold is refused, and never changed.
"""

import json
import math
from typing import Any

from msgspec import Struct, field

from internal.domain.errors import InvalidRequest

MAX_DEPTH = 100
"""What is taken must be written again, by the database and in answers, and their ways to write JSON end somewhere."""

MAX_DECIMALS = 16383
"""Digits behind the point: the most that PostgreSQL's numeric has."""

MAX_WHOLE_DIGITS = 300
"""As many nines are no double's limit yet: longer ones are looked at."""

_SURROGATES = range(0xD800, 0xE000)


class Metadata(Struct, frozen=True):
    """`text` is what is kept and shown. `value` is what it means: of a key that comes twice the last, and numbers as doubles."""

    text: str = "{}"
    value: dict[str, Any] = field(default_factory=dict)


def read_metadata(text: str) -> Metadata:
    """`text` as metadata; `null` is none. Raises InvalidRequest for what is no JSON object, or can't be held."""
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
    """A number's value. Raises InvalidRequest for one beyond doubles, or with more decimals than PostgreSQL keeps."""
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
    """Raises InvalidRequest for too deep a nest, and for what PostgreSQL's texts can't hold: U+0000 and half a character.

    An object is a tuple of names and values here, so that the values of a name that comes twice are all there: PostgreSQL reads
    all of them. It goes level by level, so that no depth is too much for the check itself.
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

"""Every notation of a chain, read into the same calls: names and arguments with the places where they stand."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from msgspec import Raw, Struct

from internal.errors import InvalidProcessing


class Argument(Struct, frozen=True):
    """A value as it was written. `field` is None for the positional one; `position` counts characters of the text, from 0."""

    field: str | None
    value: Any
    position: int


class Call(Struct, frozen=True):
    """One step as it was written; nothing is known yet about whether there is such an operation.

    `item` is the number, from 1, of the JSON list's item that it stands in; None in a text.
    """

    name: str
    arguments: tuple[Argument, ...]
    position: int
    item: int | None = None


def read_calls(text: str) -> Iterator[Call]:
    """`text` as calls: a JSON list when it begins with `[`, else steps between `|`. Raises InvalidProcessing at the fault."""
    return _from_json(text) if text.lstrip().startswith("[") else _from_text(text)


@contextmanager
def item_named(item: int | None) -> Iterator[None]:
    """What is wrong inside is told with the number of the list's item that it is about."""
    try:
        yield
    except InvalidProcessing as error:
        if item is None:
            raise
        raise InvalidProcessing(f"Item {item}: {error.detail}", error.position) from error


def _from_text(text: str) -> Iterator[Call]:
    position = 0
    for step in text.split("|"):
        start = position + len(step) - len(step.lstrip())
        name, colon, rest = step.strip().partition(":")
        if not name.strip():
            raise InvalidProcessing("An operation is missing here: write name:argument, and | between two of them.", start)
        yield Call(name.strip(), tuple(_arguments(rest, start + len(name) + 1)) if colon else (), start)
        position += len(step) + 1


def _arguments(text: str, position: int) -> Iterator[Argument]:
    for number, item in enumerate(text.split(",")):
        start = position + len(item) - len(item.lstrip())
        field, equals, value = item.partition("=")
        if equals:
            yield Argument(field.strip(), value.strip(), start)
        elif number == 0:
            yield Argument(None, item.strip(), start)
        else:
            raise InvalidProcessing("Only the first argument goes without a name: write key=value.", start)
        position += len(item) + 1


_EXAMPLE = '["resize:300x200", "grayscale"] or [{"op": "resize", "size": "300x200"}]'
_LETTER = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.|.", re.DOTALL)
"""One character of a JSON string, as it is written."""


def _from_json(text: str) -> Iterator[Call]:
    try:
        data = text.encode("utf-8")
        items = msgspec.json.decode(data, type=list[Raw])
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise InvalidProcessing(f"This is not a JSON list of operations, like {_EXAMPLE}: {error}", 0) from error
    cursor = 0
    for number, item in enumerate(items, 1):
        written = bytes(item)
        start = data.index(written, cursor)
        cursor = start + len(written)
        position = len(data[:start].decode("utf-8"))
        with item_named(number):
            calls = _text(written, position) if written.startswith(b'"') else [_object(written, position)]
        for call in calls:
            yield msgspec.structs.replace(call, item=number)


def _text(data: bytes, position: int) -> list[Call]:
    """The steps of a text in a JSON list. Their places are those in what is written, where an escape has several characters."""
    written = data.decode("utf-8")[1:-1]
    places = [position + 1 + letter.start() for letter in _LETTER.finditer(written)]
    places.append(position + 1 + len(written))
    try:
        calls = list(_from_text(msgspec.json.decode(data, type=str)))
    except InvalidProcessing as error:
        raise InvalidProcessing(error.detail, places[error.position or 0]) from error
    return [
        Call(
            call.name,
            tuple(Argument(argument.field, argument.value, places[argument.position]) for argument in call.arguments),
            places[call.position],
        )
        for call in calls
    ]


def _object(data: bytes, position: int) -> Call:
    try:
        values = msgspec.json.decode(data, type=dict[str, Raw])
        name = msgspec.json.decode(values.pop("op", Raw(b"null")), type=str)
        arguments = [
            Argument(field, msgspec.json.decode(value), position + _place(data, field, bytes(value)))
            for field, value in values.items()
        ]
    except (msgspec.MsgspecError, RecursionError) as error:
        message = 'An item is a text, or an object that names the operation as "op", like {"op": "resize", "size": "300x200"}.'
        raise InvalidProcessing(message, position) from error
    return Call(name, tuple(arguments), position)


def _place(data: bytes, field: str, value: bytes) -> int:
    """Characters before `value` in the object; 0 where the key is written with escapes."""
    key = data.find(msgspec.json.encode(field))
    return len(data[: data.find(value, key + len(field) + 2)].decode("utf-8", "replace")) if key >= 0 else 0

"""AST of a chain: text and JSON are parsed into the same calls, with names, arguments and their positions."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from msgspec import Raw, Struct

from internal.domain.errors import InvalidProcessing


class Argument(Struct, frozen=True):
    """An argument as written. `field` is None for the positional one; `position` counts characters of the text, from 0."""

    field: str | None
    value: Any
    position: int


class OperationCall(Struct, frozen=True):
    """One step as written. Nothing is resolved: the operation need not exist.

    `item` is the number, from 1, of the item in a JSON list; None in a text.
    """

    name: str
    arguments: tuple[Argument, ...]
    position: int
    item: int | None = None


def parse_calls(text: str) -> Iterator[OperationCall]:
    """The calls in `text`: a JSON list if it begins with `[`, else steps separated by `|`. Raises InvalidProcessing."""
    return _parse_json(text) if text.lstrip().startswith("[") else _parse_text(text)


@contextmanager
def item_context(item: int | None) -> Iterator[None]:
    """Context that adds the number of the list's item to an error raised inside."""
    try:
        yield
    except InvalidProcessing as error:
        if item is None:
            raise
        raise InvalidProcessing(f"Item {item}: {error.detail}", error.position) from error


def _parse_text(text: str) -> Iterator[OperationCall]:
    position = 0
    for step in text.split("|"):
        start = position + len(step) - len(step.lstrip())
        name, colon, rest = step.strip().partition(":")
        if not name.strip():
            raise InvalidProcessing("An operation is missing here: write name:argument, and | between two of them.", start)
        yield OperationCall(name.strip(), tuple(_parse_arguments(rest, start + len(name) + 1)) if colon else (), start)
        position += len(step) + 1


def _parse_arguments(text: str, position: int) -> Iterator[Argument]:
    for number, item in enumerate(text.split(",")):
        start = position + len(item) - len(item.lstrip())
        field, equals, value = item.partition("=")
        if equals:
            yield Argument(field.strip(), value.strip(), start)
        elif number == 0:
            yield Argument(None, item.strip(), start)
        else:
            raise InvalidProcessing("Only the first argument may omit its name: write key=value.", start)
        position += len(item) + 1


_EXAMPLE = '["resize:300x200", "grayscale"] or [{"op": "resize", "size": "300x200"}]'
_CHARACTER = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.|.", re.DOTALL)
"""One character of a JSON string as written, with its escape."""


def _parse_json(text: str) -> Iterator[OperationCall]:
    try:
        data = text.encode("utf-8")
        items = msgspec.json.decode(data, type=list[Raw])
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise InvalidProcessing(f"This is not a JSON list of operations, like {_EXAMPLE}: {error}", 0) from error
    cursor = 0
    for number, item in enumerate(items, 1):
        raw = bytes(item)
        start = data.index(raw, cursor)
        cursor = start + len(raw)
        position = len(data[:start].decode("utf-8"))
        with item_context(number):
            calls = _parse_string(raw, position) if raw.startswith(b'"') else [_parse_object(raw, position)]
        for call in calls:
            yield msgspec.structs.replace(call, item=number)


def _parse_string(data: bytes, position: int) -> list[OperationCall]:
    """The calls in a text inside a JSON list. Positions count written characters: an escape has several."""
    raw = data.decode("utf-8")[1:-1]
    positions = [position + 1 + character.start() for character in _CHARACTER.finditer(raw)]
    positions.append(position + 1 + len(raw))
    try:
        calls = list(_parse_text(msgspec.json.decode(data, type=str)))
    except InvalidProcessing as error:
        raise InvalidProcessing(error.detail, positions[error.position or 0]) from error
    return [
        OperationCall(
            call.name,
            tuple(Argument(argument.field, argument.value, positions[argument.position]) for argument in call.arguments),
            positions[call.position],
        )
        for call in calls
    ]


def _parse_object(data: bytes, position: int) -> OperationCall:
    try:
        values = msgspec.json.decode(data, type=dict[str, Raw])
        name = msgspec.json.decode(values.pop("op", Raw(b"null")), type=str)
        arguments = [
            Argument(field, msgspec.json.decode(value), position + _position_of(data, field, bytes(value)))
            for field, value in values.items()
        ]
    except (msgspec.MsgspecError, RecursionError) as error:
        message = 'An item is a text, or an object that names the operation as "op", like {"op": "resize", "size": "300x200"}.'
        raise InvalidProcessing(message, position) from error
    return OperationCall(name, tuple(arguments), position)


def _position_of(data: bytes, field: str, value: bytes) -> int:
    """The number of characters before `value` in the object; 0 if the key contains escapes."""
    key = data.find(msgspec.json.encode(field))
    return len(data[: data.find(value, key + len(field) + 2)].decode("utf-8", "replace")) if key >= 0 else 0

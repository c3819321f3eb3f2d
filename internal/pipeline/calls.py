"""Both notations of a chain, read into the same calls: names and arguments with the places where they stand."""

from collections.abc import Iterator
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
    """One step as it was written; nothing is known yet about whether there is such an operation."""

    name: str
    arguments: tuple[Argument, ...]
    position: int


def read_calls(text: str) -> Iterator[Call]:
    """`text` as calls: a JSON list when it begins with `[`, else steps between `|`. Raises InvalidProcessing at the fault."""
    return _from_json(text) if text.lstrip().startswith("[") else _from_text(text)


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


def _from_json(text: str) -> Iterator[Call]:
    data = text.encode("utf-8", "surrogatepass")
    try:
        steps = msgspec.json.decode(data, type=list[Raw])
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise InvalidProcessing(
            f'This is not a JSON list of operations, like [{{"op": "resize", "size": "300x200"}}]: {error}', 0
        ) from error
    cursor = 0
    for step in steps:
        start = data.index(bytes(step), cursor)
        cursor = start + len(bytes(step))
        yield _object(bytes(step), len(data[:start].decode("utf-8", "replace")))


def _object(data: bytes, position: int) -> Call:
    try:
        values = msgspec.json.decode(data, type=dict[str, Raw])
        name = msgspec.json.decode(values.pop("op", Raw(b"null")), type=str)
        arguments = [
            Argument(field, msgspec.json.decode(value), position + _place(data, field, bytes(value)))
            for field, value in values.items()
        ]
    except (msgspec.MsgspecError, RecursionError) as error:
        message = 'Each operation is a JSON object that names it as "op", like {"op": "resize", "size": "300x200"}.'
        raise InvalidProcessing(message, position) from error
    return Call(name, tuple(arguments), position)


def _place(data: bytes, field: str, value: bytes) -> int:
    """Characters before `value` in the object; 0 where the key is written with escapes."""
    key = data.find(msgspec.json.encode(field))
    return len(data[: data.find(value, key + len(field) + 2)].decode("utf-8", "replace")) if key >= 0 else 0

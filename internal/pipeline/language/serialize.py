"""Serializer: operations and parameter values as the grammar's text."""

from typing import Any

import msgspec

from internal.domain.errors import InvalidProcessing
from internal.pipeline.operations.operation import Operation, name_of, parameters_of
from internal.pipeline.operations.params import Param

RESERVED = frozenset("|,=[]")
"""Characters of the grammar. No value may contain them."""


def serialize(step: Operation) -> str:
    """The text of one step: `name[:arg[,key=value…]]`, with defaults omitted and keys in the order of the fields."""
    arguments = []
    for number, field in enumerate(parameters_of(type(step)).values()):
        value = getattr(step, field.encode_name)
        if field.default is not msgspec.NODEFAULT and value == field.default:
            continue
        text = serialize_value(value)
        arguments.append(text if number == 0 else f"{field.name}={text}")
    return ":".join([name_of(type(step)), *([",".join(arguments)] if arguments else [])])


def serialize_value(value: Any) -> str:
    """The text of a parameter's value. Raises InvalidProcessing for a text that the grammar can't express."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() else repr(value)
    text = str(value)
    if not isinstance(value, int | Param) and (not text.isprintable() or text != text.strip() or RESERVED & set(text)):
        raise InvalidProcessing("A value can't contain | , = [ ] or control characters, or begin or end with a space.")
    return text

"""The operations: a section each, read off their classes (what `GET /api/v1/operations` says, for people)."""

import json
from collections.abc import Iterable
from typing import Any

from documents.markdown import table
from internal.pipeline.language.grammar import Grammar


def operations() -> str:
    """A line of links, then a section for each operation: what it does, an example, its parameters."""
    known = Grammar().describe()
    links = " · ".join(f"[{operation['name']}](#{operation['name']})" for operation in known)
    return "\n\n".join((links, *map(_section, known)))


def _section(operation: dict[str, Any]) -> str:
    parts = [f"### {operation['name']}", operation["summary"], f"Example: `{operation['example']}`"]
    if rows := list(_parameters(operation)):
        parts.append(table(("Parameter", "Value", "Default", "Meaning"), rows))
    return "\n\n".join(parts)


def _parameters(operation: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    """A row for each parameter of its JSON Schema; the positional one is the first."""
    schema = operation["parameters"]
    for name, parameter in schema["properties"].items():
        default = "required" if name in schema["required"] else _default(parameter["default"])
        yield f"`{name}`", _values(parameter), default, parameter["description"]


def _default(value: Any) -> str:
    return "" if value is None else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _values(parameter: dict[str, Any]) -> str:
    """The values that a parameter takes, in words: 1 to 100, one of these, or like this."""
    known: dict[str, Any] = next((kind for kind in parameter.get("anyOf", ()) if kind.get("type") != "null"), parameter)
    if "enum" in known:
        return ", ".join(f"`{value}`" for value in known["enum"])
    if "examples" in known:
        return "like " + ", ".join(f"`{value}`" for value in known["examples"])
    if "minimum" in known:
        steps = f", in steps of {known['multipleOf']}" if "multipleOf" in known else ""
        return f"{known['minimum']} to {known['maximum']}{steps}"
    return "`true`, `false`" if known["type"] == "boolean" else "text"

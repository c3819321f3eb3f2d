"""The README's tables, rendered from the code: `python -m tests.unit.readme_tables` rewrites README.md in place.

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`; what lies between them is ours, the rest is left alone.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from internal.api.openapi.guide import failure_table
from internal.api.problems import CODE_OF_STATUS, RETRY_LATER, STATUS
from internal.configuration import load_settings
from internal.errors import ClientGone, ServiceError
from internal.pipeline.language.grammar import Grammar
from internal.settings import PROJECT, Setting, every_setting

README = PROJECT / "README.md"
BLOCK = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def operations() -> str:
    """What chains are made of."""
    rows = ((f"`{known['name']}`", known["summary"], f"`{known['example']}`") for known in Grammar().describe())
    return _table(("Operation", "What it does", "Example"), rows)


def parameters() -> str:
    """One row for each parameter, as their JSON Schema has them; the positional one is the first of its operation."""
    return _table(("Parameter", "Value", "Default", "Meaning"), _parameter_rows())


def _parameter_rows() -> Iterable[tuple[str, ...]]:
    for known in Grammar().describe():
        schema = known["parameters"]
        for name, parameter in schema["properties"].items():
            shown = "required" if name in schema["required"] else _default(parameter["default"])
            yield f"`{known['name']}` `{name}`", _values(parameter), shown, parameter["description"]


def _default(value: Any) -> str:
    return "" if value is None else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _values(parameter: dict[str, Any]) -> str:
    """What a parameter takes, in words: `1` to `100`, one of these, or like this."""
    known: dict[str, Any] = next((kind for kind in parameter.get("anyOf", ()) if kind.get("type") != "null"), parameter)
    if "enum" in known:
        return ", ".join(f"`{value}`" for value in known["enum"])
    if "examples" in known:
        return "like " + ", ".join(f"`{value}`" for value in known["examples"])
    if "minimum" in known:
        steps = f", in steps of {known['multipleOf']}" if "multipleOf" in known else ""
        return f"{known['minimum']} to {known['maximum']}{steps}"
    return "`true`, `false`" if known["type"] == "boolean" else "text"


def presets() -> str:
    """The pipelines that the configuration names."""
    rows = ((f"`preset:{name}`", f"`{chain}`") for name, chain in _settings_of("").processing.presets.items())
    return _table(("Preset", "Chain"), rows)


def problems() -> str:
    """Every code that an answer can have, with the sentence of its error."""
    told = {
        (status, kind.code): (kind().detail, "yes" if kind in RETRY_LATER else "")
        for kind, status in STATUS.items()
        if kind is not ClientGone
    }
    codes = {code for _, code in told}
    told |= {
        (status, code): (f"{HTTPStatus(status).description}.", "") for status, code in CODE_OF_STATUS.items() if code not in codes
    }
    told[500, ServiceError.code] = (ServiceError().detail, "")
    rows = ((str(status), f"`{code}`", detail, retry) for (status, code), (detail, retry) in sorted(told.items()))
    return _table(("Status", "Code", "Meaning", "`Retry-After`"), rows)


def configuration() -> str:
    """Every setting with its default, and what `make run` sets otherwise."""
    usual, standalone = _settings_of(""), _settings_of("standalone")

    def default(setting: Setting) -> str:
        value, other = (getattr(getattr(source, setting.section), setting.name) for source in (usual, standalone))
        return _written(value) if value == other else f"{_written(value)}; `make run`: {_written(other)}"

    rows = (
        (f"`{setting.variable}`", f"`{setting.path}`", default(setting), setting.description + _choices(setting))
        for setting in every_setting()
    )
    return _table(("Variable", "In the YAML", "Default", "Meaning"), rows)


def _settings_of(profile: str) -> Any:
    """The settings of a profile as this repository has them: without the local.yaml of whoever runs this."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("default.yaml", "standalone.yaml"):
            shutil.copy(PROJECT / "config" / file, folder)
        return load_settings({"APP_PROFILE": profile}, folder)


def _written(value: Any) -> str:
    if value == "":
        return "empty"
    if isinstance(value, dict):
        return "see [presets](#presets)"
    return f"`{json.dumps(value) if isinstance(value, bool) else f'{value:g}' if isinstance(value, float) else value}`"


def _choices(setting: Setting) -> str:
    if get_origin(setting.type) is not Literal:
        return ""
    return f" One of {', '.join(f'`{choice}`' for choice in get_args(setting.type))}."


def targets() -> str:
    """Every target of the Makefile, with the words that `make help` has for it."""
    found = re.findall(r"^([a-z-]+):.*?## (.+)$", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    return _table(("Target", "What it does"), ((f"`make {name}`", words) for name, words in found))


TABLES: dict[str, Callable[[], str]] = {
    "operations": operations,
    "parameters": parameters,
    "presets": presets,
    "problems": problems,
    "failures": failure_table,
    "configuration": configuration,
    "targets": targets,
}


def rendered(text: str) -> str:
    """`text` with each of its tables as the code has it now. Raises ValueError when a table has no place, or two."""
    places = [name for _, name, _ in BLOCK.findall(text)]
    if sorted(places) != sorted(TABLES):
        raise ValueError(f"the README has places for {places}; the tables are {list(TABLES)}")
    return BLOCK.sub(lambda place: f"{place[1]}{TABLES[place[2]]()}\n{place[3]}", text)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    README.write_text(rendered(README.read_text(encoding="utf-8")), encoding="utf-8")

"""The tree of `internal/` and its layers, for docs/architecture.md: rooms, their docstrings' first lines, and their files."""

import ast
import re
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

from internal.runtime.project import PROJECT

ROOMS = PROJECT / "internal"
_NAMES, _WIDTH = 16, 130
_LEFT_OUT = {"__init__.py", "__pycache__", "py.typed"}


def tree() -> str:
    """A fenced block; raises ValueError for a room whose `__init__.py` has no docstring that says what lives there."""
    lines = [f"{ROOMS.name}/"]
    for room in members(ROOMS):
        lines.append(f"  {_shown(room):<{_NAMES}}{_purpose(room)}")
        if room.is_file():
            continue
        names = "  ".join(map(_shown, members(room)))
        lines += textwrap.wrap(names, _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 4, break_on_hyphens=False)
    return "\n".join(("```", *lines, "```"))


def layers() -> str:
    """A fenced block with the layers of import-linter's contract, the highest first."""
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (contract,) = (contract for contract in contracts if "internal.domain" in contract.get("layers", ()))
    lines = (re.sub(r" [|:] ", ", ", layer).replace(f"{ROOMS.name}.", "").replace(".", "/") for layer in contract["layers"])
    return "\n".join(("```", *lines, "```"))


def members(folder: Path) -> Iterator[Path]:
    """What a reader finds in a folder: folders first, then files, by name."""
    found = (path for path in folder.iterdir() if path.name not in _LEFT_OUT and not path.name.startswith("."))
    return iter(sorted(filter(_holds_files, found), key=lambda path: (path.is_file(), path.name)))


def _shown(path: Path) -> str:
    return f"{path.name}/" if path.is_dir() else path.name


def _holds_files(path: Path) -> bool:
    """False for a folder that a move has left behind with nothing but compiled files."""
    return path.is_file() or any(found.is_file() and found.suffix != ".pyc" for found in path.rglob("*"))


def _purpose(room: Path) -> str:
    source = room if room.is_file() else room / "__init__.py"
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
    if not docstring:
        raise ValueError(f"{source.relative_to(PROJECT)} has no docstring: one line that says what lives there")
    return docstring.partition("\n")[0]

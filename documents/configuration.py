"""The settings and presets, read off the settings structs and the YAML files of config/."""

import json
import shutil
import tempfile
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from documents.markdown import table
from internal.runtime.project import PROJECT
from internal.runtime.secret import NO_SECRET
from internal.settings.loader import load_settings
from internal.settings.sections import Setting, every_setting


def settings() -> str:
    """A section for each part of the YAML, with a row for each setting: its default, and that of `make run` where it differs."""
    usual, standalone = settings_of(""), settings_of("standalone")

    def default(setting: Setting) -> str:
        value, other = (getattr(getattr(source, setting.section), setting.name) for source in (usual, standalone))
        return _text(value) if value == other else f"{_text(value)}; `make run`: {_text(other)}"

    def section(name: str, members: list[Setting]) -> str:
        rows = (
            (
                " or ".join(f"`{name}`" for name in setting.variables),
                f"`{setting.path}`",
                default(setting),
                setting.description + _choices(setting),
            )
            for setting in members
        )
        return f"### {name}\n\n{table(('Variable', 'In the YAML', 'Default', 'Meaning'), rows)}"

    by_section = groupby(every_setting(), lambda setting: setting.section)
    return "\n\n".join(section(name, list(members)) for name, members in by_section)


def presets() -> str:
    """The pipelines that the configuration names."""
    rows = ((f"`preset:{name}`", f"`{chain}`") for name, chain in settings_of("").processing.presets.items())
    return table(("Preset", "Chain"), rows)


def settings_of(profile: str) -> Any:
    """The settings of a profile as this repository has them: without the local.yaml of whoever runs this."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("default.yaml", "standalone.yaml"):
            shutil.copy(PROJECT / "config" / file, folder)
        return load_settings({"APP_PROFILE": profile}, folder)


def _text(value: Any) -> str:
    if value in ("", NO_SECRET):
        return "empty"
    if isinstance(value, dict) and value:
        return "see [presets](processing.md#presets)"
    return f"`{json.dumps(value) if isinstance(value, bool) else f'{value:g}' if isinstance(value, float) else value}`"


def _choices(setting: Setting) -> str:
    if setting.secret:
        return " Secret."
    if get_origin(setting.type) is not Literal:
        return ""
    return f" One of {', '.join(f'`{choice}`' for choice in get_args(setting.type))}."

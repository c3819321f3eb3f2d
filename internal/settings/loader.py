"""From files and environment to settings, read once and frozen.

Order, later wins: `config/default.yaml`, the profile's file (`APP_PROFILE=standalone` reads `config/standalone.yaml`),
`config/local.yaml` if it exists, then the environment. The loader knows no setting by name: it reads the fields of the sections.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from internal.runtime.project import PROJECT
from internal.runtime.section import SettingsError
from internal.settings.sections import Setting, Settings, every_setting


def load_settings(environment: Mapping[str, str] = os.environ, folder: Path = PROJECT / "config") -> Settings:
    """Read files and environment; raise SettingsError, which names the file or the variable, when they can't be used."""
    profile = environment.get("APP_PROFILE", "")
    files = ["default.yaml", *([f"{profile}.yaml"] if profile else [])]
    merged: dict[str, dict[str, Any]] = {}
    for file in [*files, "local.yaml"]:
        _merge(merged, _read(folder / file, required=file in files))
    for setting in every_setting():
        if (text := environment.get(setting.variable)) is not None:
            merged.setdefault(setting.section, {})[setting.name] = _from_text(text, setting)
    return _convert(merged)


def _read(path: Path, *, required: bool) -> dict[str, Any]:
    if not required and not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"{path.name} can't be read: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(section, dict) for section in content.values()):
        raise SettingsError(f"{path.name}: expected sections of settings")
    return content


def _merge(into: dict[str, dict[str, Any]], more: dict[str, Any]) -> None:
    for section, values in more.items():
        into.setdefault(section, {}).update(values)


def _from_text(text: str, setting: Setting) -> Any:
    if setting.type in (int, float, str):
        return text
    if setting.type is bool and text.lower() in ("yes", "on", "no", "off"):
        return text.lower() in ("yes", "on")
    if setting.type == dict[str, str]:
        try:
            return msgspec.json.decode(text, type=dict[str, str])
        except msgspec.MsgspecError as error:
            raise SettingsError(f"{setting.variable} ({setting.path}): expected a JSON object of texts") from error
    return text


def _convert(values: dict[str, dict[str, Any]]) -> Settings:
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        path = path.strip("`.")
        setting = next((known for known in every_setting() if path.split("[")[0] == known.path), None)
        where = f"{setting.variable} ({setting.path})" if setting else f"configuration {path or 'files'}"
        raise SettingsError(f"{where}: {message}") from error

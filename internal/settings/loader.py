"""From files and environment to settings, read once and frozen.

Order, later wins: `config/default.yaml`, the profile's file (`APP_PROFILE=standalone` reads `config/standalone.yaml`),
`config/local.yaml` if it exists, then the environment. The loader knows no setting by name: it reads the fields of the sections.

A secret comes from its variable NAME, from the file that NAME_FILE points to, or from `config/local.yaml`, which belongs to the
operator and not to the repository. INVARIANT: no message and no exception that leaves this module has a secret's value
(tests/unit/settings/test_secrets.py).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
import yaml

from internal.runtime.project import PROJECT
from internal.runtime.secret import Secret
from internal.runtime.secret_file import SecretUnreadable, secret_from
from internal.runtime.section import SettingsError
from internal.settings.sections import Setting, Settings, every_setting

LOCAL = "local.yaml"
"""The operator's own file. Git ignores it, and the image does not have it."""


def load_settings(environment: Mapping[str, str] = os.environ, folder: Path = PROJECT / "config") -> Settings:
    """Read files and environment; raise SettingsError, which names the file or the variable, when they can't be used."""
    profile = environment.get("APP_PROFILE", "")
    files = ["default.yaml", *([f"{profile}.yaml"] if profile else [])]
    merged: dict[str, dict[str, Any]] = {}
    for file in [*files, LOCAL]:
        values = _read(folder / file, required=file != LOCAL)
        if file != LOCAL:
            _refuse_secrets(values, file)
        _merge(merged, values)
    for setting in every_setting():
        section = merged.setdefault(setting.section, {})
        text = _secret_text(environment, setting) if setting.secret else environment.get(setting.variable)
        if text is not None:
            section[setting.name] = _from_text(text, setting)
        elif setting.secret:
            section.setdefault(setting.name, "")
    return _convert(merged)


def _secret_text(environment: Mapping[str, str], setting: Setting) -> str | None:
    try:
        return secret_from(environment, setting.variable)
    except SecretUnreadable as error:
        raise SettingsError(str(error)) from error


def _refuse_secrets(values: dict[str, dict[str, Any]], file: str) -> None:
    """Secrets do not belong in a file of the repository."""
    for setting in every_setting():
        if setting.secret and setting.name in values.get(setting.section, {}):
            raise SettingsError(f"{file} has {setting.path}, a secret: set {setting.variable} or {setting.file_variable} instead")


def _read(path: Path, *, required: bool) -> dict[str, Any]:
    if not required and not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name} can't be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path.name} can't be read: {_problem(error)}") from None  # its text quotes the file
    if not isinstance(content, dict) or not all(isinstance(section, dict) for section in content.values()):
        raise SettingsError(f"{path.name}: expected sections of settings")
    return content


def _problem(error: yaml.YAMLError) -> str:
    """What is wrong and where, without the line itself, which may have a secret."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}"
    return "it is not YAML"


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
        return msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        path = path.strip("`.")
        setting = next((known for known in every_setting() if path.split("[")[0] == known.path), None)
        where = f"{setting.variable} ({setting.path})" if setting else f"configuration {path or 'files'}"
        raise SettingsError(f"{where}: {message}{_expected(setting, message)}") from error


def _expected(setting: Setting | None, message: str) -> str:
    """What the setting takes, where msgspec's message does not say it in words."""
    if setting is None:
        return ""
    if message.startswith("Invalid enum value"):
        values = get_args(setting.type) or [member.value for member in setting.type]
        return f". It is one of {', '.join(map(str, values))}"
    if setting.type is bool:
        return ". It is true or false"
    return f". It is: {setting.description}" if "regex" in message else ""


def _decode(kind: type, value: Any) -> Any:
    """msgspec asks for the values of types that it does not know. Raises TypeError, which it turns into a ValidationError."""
    if kind is Secret:
        return Secret(value)
    raise NotImplementedError(kind)

"""The variables of .env.example: every setting, its default, and the text that says what it is."""

import json
from itertools import groupby
from typing import Any

from documents.configuration import settings_of
from internal.settings.sections import every_setting


def variables() -> str:
    """A paragraph for each section, with two lines for each setting."""
    defaults = settings_of("")

    def lines(section: str) -> list[str]:
        members = [setting for setting in every_setting() if setting.section == section]
        return [f"# {it.description}\n{it.variable}={_text(getattr(getattr(defaults, section), it.name))}" for it in members]

    sections = [section for section, _ in groupby(every_setting(), lambda setting: setting.section)]
    return "\n\n".join("\n".join((f"# {section}", *lines(section))) for section in sections) + "\n"


def _text(value: Any) -> str:
    match value:
        case bool() | dict():
            return json.dumps(value, separators=(",", ":"))
        case float():
            return f"{value:g}"
    return str(value)

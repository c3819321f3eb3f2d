"""The variables of .env.example: every setting, its default, and the text that says what it is."""

import json
from itertools import groupby
from typing import Any

from documents.configuration import settings_of
from internal.settings.sections import Setting, every_setting


def variables() -> str:
    """A paragraph for each section, with two lines for each setting, and a third for a secret."""
    defaults = settings_of("")

    def line(setting: Setting) -> str:
        default = getattr(getattr(defaults, setting.section), setting.name)
        if setting.secret:
            text = f"{setting.description} Secret: itself, or the path of a file with it."
            return f"# {text}\n{setting.variable}=\n{setting.file_variable}="
        return f"# {setting.description}\n{setting.variable}={_text(default)}"

    sections = groupby(every_setting(), lambda setting: setting.section)
    return "\n\n".join("\n".join((f"# {section}", *map(line, members))) for section, members in sections) + "\n"


def _text(value: Any) -> str:
    match value:
        case bool() | dict():
            return json.dumps(value, separators=(",", ":"))
        case float():
            return f"{value:g}"
    return str(value)

"""No document shows a value that could become somebody's secret: what it shows is a placeholder, or refused outside loopback."""

import re
from pathlib import Path

import pytest

from internal.runtime.project import PROJECT
from internal.settings.exposure import EXAMPLES
from internal.settings.sections import every_setting
from tests.unit.documents.markdown import DOCUMENTS, name_of

SHOWN = [*DOCUMENTS, PROJECT / ".env.example", PROJECT / "docker-compose.yml", *sorted((PROJECT / "config").glob("*.yaml"))]
NAMES = "|".join(setting.variable for setting in every_setting() if setting.secret)
PLACEHOLDER = re.compile(r"""["'`]*(?:$|[$…<&]|\.\.\.|\\n)""")


def shown_secrets(text: str) -> list[str]:
    """The values that a text gives to secrets: `NAME=value`, or `NAME: value` in YAML."""
    return re.findall(rf"\b(?:{NAMES})(?:=|: )([^\s|,)]*)", text)


@pytest.mark.parametrize("document", SHOWN, ids=name_of)
def test_what_it_shows_is_no_secret(document: Path) -> None:
    for value in shown_secrets(document.read_text(encoding="utf-8")):
        assert PLACEHOLDER.match(value) or value.strip("\"'`").lower() in EXAMPLES, f"{value} has to be among EXAMPLES"


@pytest.mark.parametrize("text", ["DB_PASSWORD=hunter2", "  METRICS_TOKEN: hunter2", "METRICS_TOKEN='hunter2' make run"])
def test_a_secret_would_be_seen(text: str) -> None:
    (value,) = shown_secrets(text)

    assert not PLACEHOLDER.match(value)

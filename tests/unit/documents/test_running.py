"""The documents for operators are true: settings, metrics, events and commands in them exist, and no warning is left out."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml

from internal.cli.arguments import parser
from internal.observability.gauges import PREFIX
from internal.runtime.project import PROJECT
from internal.settings.sections import every_setting
from tests.unit.documents.markdown import DOCUMENTS, code, name_of

RUNNING = sorted((PROJECT / "docs/running").glob("*.md"))
MONITORING = PROJECT / "docs/running/monitoring.md"
CHANGES = "CHANGELOG.md"
ALERTS = PROJECT / "config" / "alerts.yml"
SOURCES = sorted((PROJECT / "internal").rglob("*.py"))
NO_SETTINGS = {
    "APP_PROFILE",
    "IMAGECTL_ADDRESS",
    "IMAGECTL_KEY",
    "IMAGECTL_KEY_FILE",
    "FAULT_POINTS",
    "REQUIRE_CONTAINERS",
    "REQUIRE_TOOLS",
} | {
    "API_VERSION",
    "BUILT_IN",
    "CHECK_SCHEMA",
    "MAX_SIDE",
}
"""Variables that are read elsewhere, and names in the code that look like one."""
NO_METRICS = {"image_processor_tables"}
"""A schema of the database."""
LOUD = {"warning", "error", "exception"}
EVENT = re.compile(r"[a-z_]+(\.[a-z_]+)?")


def texts(pattern: str, document: Path) -> set[str]:
    return set(re.findall(pattern, document.read_text(encoding="utf-8")))


def constants(*paths: Path) -> set[str]:
    """Every text in these sources."""
    nodes = (node for path in paths for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def loud_events() -> Iterator[str]:
    """The events that the service logs as warnings or errors, where the call itself says so."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr=level), args=[ast.Constant(value=str(event)), *_]) if level in LOUD:
                    yield event


def documented_events() -> set[str]:
    section = MONITORING.read_text(encoding="utf-8").split("## What the log says\n")[1].split("\n## ")[0]
    return {event for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for event in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize("document", [document for document in DOCUMENTS if document.name != CHANGES], ids=name_of)
def test_every_setting_that_is_named_exists(document: Path) -> None:
    named = texts(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", document)

    settings = list(every_setting())
    known = {variable for setting in settings for variable in setting.variables} | {
        choice for setting in settings for choice in get_args(setting.type)
    }
    of_compose = texts(r"\$\{([A-Z_]+):", PROJECT / "docker-compose.yml")
    of_tests = {name for name in named if name.startswith("TEST_")}
    assert named - known - of_compose - of_tests <= NO_SETTINGS


@pytest.mark.parametrize("document", [*RUNNING, ALERTS], ids=name_of)
def test_every_metric_that_is_named_exists(document: Path) -> None:
    named = {re.sub(r"_bucket$", "", name) for name in texts(r"\bimage_processor_\w+", document)} - {PREFIX} - NO_METRICS
    counted = constants(PROJECT / "internal/observability/metrics.py")
    asked = {PREFIX + name for name in constants(PROJECT / "internal/observability/gauges.py")}

    assert sorted(named - counted - asked) == []
    assert named or document not in {MONITORING, ALERTS}


def test_the_alerts_are_yaml_and_say_when() -> None:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]

    assert len({rule["alert"] for rule in rules}) == len(rules) > 10
    assert all(set(rule) - {"for"} == {"alert", "expr"} for rule in rules)


def test_every_warning_is_explained() -> None:
    loud = set(loud_events())

    assert len(loud) > 20
    assert sorted(loud - documented_events()) == []
    assert sorted(documented_events() - constants(*SOURCES)) == []
    assert all(EVENT.fullmatch(event) for event in documented_events())


def test_every_command_can_be_typed() -> None:
    shown = (line for document in DOCUMENTS if document.name != CHANGES for text in code(document) for line in text.splitlines())
    commands = {found[1] for line in shown if (found := re.match(r"(?:\$ )?imagectl ([a-z]+ .+)", line))}

    assert len(commands) > 20
    for command in commands:
        parser().parse_args(shlex.split(command, comments=True))

"""The documents for operators are true: the settings, metrics, events and commands in them exist, and no warning is left out."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from internal.cli.arguments import parser
from internal.gauges import PREFIX
from internal.settings import PROJECT, every_setting

OPERATIONS, GUARANTEES = (PROJECT / "docs" / name for name in ("operations.md", "guarantees.md"))
ALERTS = PROJECT / "config" / "alerts.yml"
SOURCES = sorted((PROJECT / "internal").rglob("*.py"))
NO_SETTINGS = {"APP_PROFILE", "FAULT_POINTS"}
LOUD = {"warning", "error", "exception"}
EVENT = re.compile(r"[a-z_]+(\.[a-z_]+)?")


def texts(pattern: str, document: Path = OPERATIONS) -> set[str]:
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
    section = OPERATIONS.read_text(encoding="utf-8").split("## What the log says\n")[1].split("\n## ")[0]
    return {event for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for event in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize("document", [OPERATIONS, GUARANTEES], ids=lambda path: str(path.name))
def test_every_setting_that_is_named_exists(document: Path) -> None:
    named = texts(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", document)

    of_compose = texts(r"\$\{([A-Z_]+):", PROJECT / "docker-compose.yml")
    assert named - {setting.variable for setting in every_setting()} - of_compose <= NO_SETTINGS


@pytest.mark.parametrize("document", [OPERATIONS, ALERTS], ids=lambda path: str(path.name))
def test_every_metric_that_is_named_exists(document: Path) -> None:
    named = {re.sub(r"_bucket$", "", name) for name in texts(r"\bimage_processor_\w+", document)} - {PREFIX}
    assert named
    counted = constants(PROJECT / "internal/metrics.py")
    asked = {PREFIX + name for name in constants(PROJECT / "internal/gauges.py")}

    assert sorted(named - counted - asked) == []


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
    commands = {text.split("#")[0] for text in texts(r"`imagectl ((?:retry|reprocess|deadletters|reconcile|get) [^`]+)`")}

    assert len(commands) > 8
    for command in commands:
        parser().parse_args(command.split())

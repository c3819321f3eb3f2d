"""The settings that docker-compose.yml passes on to our containers: each one, unless the file itself says what it is there."""

import re

from internal.runtime.project import PROJECT
from internal.settings.sections import every_setting

OF_THE_API = {"server"}
OF_THE_WORKER = {"worker", "retention", "sandbox"}
"""Sections that one of our containers reads. The others go to all of them."""

NOT_PASSED = (
    {"SERVER_HOST", "WORKER_HOST"}
    | {"DATA_PATH", "STORAGE_PATH", "SANDBOX_SCRATCH", "QUEUE_VISIBILITY_SECONDS"}
    | {f"KAFKA_{name}" for name in ("SECURITY_PROTOCOL", "SASL_MECHANISM", "SASL_USERNAME", "SASL_PASSWORD", "SSL_CAFILE")}
)
"""The image sets the hosts; the next four mean nothing to these containers; the stack's own Kafka speaks plain text."""


def everywhere() -> str:
    """A line for each setting that concerns more than one container."""
    return _lines({setting.section for setting in every_setting()} - OF_THE_API - OF_THE_WORKER, indent=2)


def of_the_api() -> str:
    """A line for each setting of the API alone."""
    return _lines(OF_THE_API, indent=6)


def of_the_worker() -> str:
    """A line for each setting of the worker alone."""
    return _lines(OF_THE_WORKER, indent=6)


def _lines(sections: set[str], *, indent: int) -> str:
    left_out = NOT_PASSED | _fixed()
    passed = (it for it in every_setting() if it.section in sections and it.variable not in left_out)
    names = (name for it in passed for name in it.variables)
    return "\n".join(f"{' ' * indent}{name}:" for name in names)


def _fixed() -> set[str]:
    """The variables that have a value in docker-compose.yml. A generated line has none."""
    text = (PROJECT / "docker-compose.yml").read_text(encoding="utf-8")
    return set(re.findall(r"^ +([A-Z0-9_]+): \S", text, re.MULTILINE))

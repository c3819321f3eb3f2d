"""Foreign programs that tests drive: found on PATH, else the test is skipped and says which of Debian's packages has it.

With REQUIRE_TOOLS=1 such a test fails instead. The last line of a run counts what was skipped for want of a program.
"""

import os
import shutil
from collections.abc import Iterable
from typing import Any

import pytest

PACKAGES = {"curl": "curl", "gifsicle": "gifsicle", "nginx": "nginx-light", "node": "nodejs", "openssl": "openssl"}
"""By program, Debian's package that has it. `.ci/run` installs them."""
_MISSING = "not on PATH:"


def tool(name: str) -> str:
    """The path of the program `name`; without one, the test that asks is skipped, or fails where tools are required."""
    found = shutil.which(name)
    if found is not None:
        return found
    message = f"{_MISSING} {name} (Debian's package {PACKAGES[name]})"
    if os.environ.get("REQUIRE_TOOLS") == "1":
        pytest.fail(message)
    pytest.skip(message)


def summary(skipped: Iterable[Any]) -> str:
    """How many of the `skipped` reports lacked a program, and which; empty when none did."""
    lacking = [str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)]
    names = [text.partition(f"{_MISSING} ")[2] for text in lacking if _MISSING in text]
    return f"; {len(names)} tests skipped for want of {', '.join(sorted(set(names)))}" if names else ""

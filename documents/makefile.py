"""The targets of the Makefile, in the words of `make help`."""

import re

from documents.markdown import table
from internal.runtime.project import PROJECT


def targets() -> str:
    """A row for each target that `make help` lists."""
    found = re.findall(r"^([a-z-]+):.*?## (.+)$", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    return table(("Target", "What it does"), ((f"`make {name}`", words) for name, words in found))

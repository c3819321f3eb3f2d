"""What the documents say: their prose, their code, their headings and links."""

import re
from collections.abc import Iterator
from pathlib import Path

from internal.runtime.project import PROJECT

DOCUMENTS = [*sorted(PROJECT.glob("*.md")), *sorted((PROJECT / "docs").rglob("*.md"))]
"""Every document of the project; those of others, below licenses/ and internal/web/vendor/, are not ours to hold."""

_FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")


def name_of(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def prose(document: Path) -> str:
    """A document without its fenced blocks."""
    return _FENCED.sub("", document.read_text(encoding="utf-8"))


def blocks(document: Path) -> list[tuple[str, str]]:
    """Language and text of each fenced block, in order."""
    return [(found[1], found[2]) for found in _FENCED.finditer(document.read_text(encoding="utf-8"))]


def inline(document: Path) -> list[str]:
    """What the prose shows as code."""
    return _INLINE.findall(prose(document))


def code(document: Path) -> Iterator[str]:
    """All that a document shows as code."""
    yield from (text for _, text in blocks(document))
    yield from inline(document)


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(document: Path) -> list[str]:
    """The targets of links and pictures, without those that lead to another host."""
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", prose(document)) if not re.match(r"[a-z]+:", link)]

"""The blocks in the documents: what lies between `<!-- generated: NAME -->` and `<!-- end of generated -->` is ours.

In .env.example and docker-compose.yml a block lies between `# generated: NAME` and `# end of generated`. The text around a block
is written by hand and left alone.
"""

import re
from collections.abc import Callable

from documents.compose import everywhere, of_the_api, of_the_worker
from documents.configuration import presets, settings
from documents.environment import variables
from documents.errors import problems
from documents.makefile import targets
from documents.operations import operations
from documents.tree import layers, tree
from internal.api.openapi.guide import failure_table
from internal.runtime.project import PROJECT

_BLOCK = re.compile(r"((?:<!--| *#) generated: ([a-z-]+)(?: -->)?\n).*?((?:<!--| *#) end of generated)", re.DOTALL)

BLOCKS: dict[str, dict[str, Callable[[], str]]] = {
    "docs/processing.md": {"operations": operations, "presets": presets},
    "docs/configuration.md": {"settings": settings},
    "docs/architecture.md": {"tree": tree, "layers": layers},
    "docs/api/errors.md": {"problems": problems, "failures": failure_table},
    "CONTRIBUTING.md": {"targets": targets},
    ".env.example": {"variables": variables},
    "docker-compose.yml": {"everywhere": everywhere, "api": of_the_api, "worker": of_the_worker},
}
"""Document → block → the function that makes its text."""


def current(document: str, text: str) -> str:
    """The `text` of a document of `BLOCKS` as it has to read now. Raises ValueError unless it has each of its blocks once."""
    blocks = BLOCKS[document]
    places = sorted(name for _, name, _ in _BLOCK.findall(text))
    if places != sorted(blocks):
        raise ValueError(f"{document} has the blocks {places} and should have {sorted(blocks)}")
    return _BLOCK.sub(lambda place: f"{place[1]}{blocks[place[2]]()}\n{place[3]}", text)


def write_all() -> None:
    """Write the blocks of every document."""
    for document in BLOCKS:
        path = PROJECT / document
        path.write_text(current(document, path.read_text(encoding="utf-8")), encoding="utf-8")

"""The tree in docs/architecture.md is the tree of `internal/`, two levels deep."""

from internal.runtime.project import PROJECT
from tests.unit.documents.markdown import blocks

ARCHITECTURE = PROJECT / "docs/architecture.md"
INTERNAL = PROJECT / "internal"
ROOM, MEMBER = "  ", "    "
"""How far the lines of rooms, and those of what is in them, are indented."""


def drawn() -> set[str]:
    """The paths in the tree block, those of folders with a slash at the end."""
    (tree,) = (text for _, text in blocks(ARCHITECTURE) if text.startswith("internal/\n"))
    paths, room = set[str](), ""
    for line in tree.splitlines()[1:]:
        if line.startswith(MEMBER):
            paths |= {room + name for name in line.split()}
        else:
            assert line.startswith(ROOM)
            room = line.split()[0]
            assert len(line.split()) > 1, f"{room} has no line that says what lives there"
            paths.add(room)
    return paths


def there() -> set[str]:
    """Of each file the first two parts of its path."""
    files = (path.relative_to(INTERNAL).parts for path in INTERNAL.rglob("*") if path.is_file() and path.suffix != ".pyc")
    shown = {parts for parts in files if parts[:2][-1] != "__init__.py"}
    folders = {f"{'/'.join(parts[:depth])}/" for parts in shown for depth in (1, 2) if len(parts) > depth}
    return folders | {"/".join(parts) for parts in shown if len(parts) <= 2}


def test_the_tree_is_the_tree() -> None:
    assert sorted(drawn() ^ there()) == [], "write it again: make documents"

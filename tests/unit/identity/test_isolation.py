"""Owner isolation in the code: who looks an image up without its owner."""

import re

from internal.runtime.project import PROJECT

WITHOUT_OWNER = re.compile(r"\bfind_linked\b")
KNOWN = {
    "internal/ports/repository/images.py",
    "internal/ports/repository/uploads.py",
    "internal/repository/images.py",
    "internal/repository/uploads.py",
    "internal/library/lookup.py",
}


def test_only_the_bearer_of_a_link_is_found_an_image_without_an_owner() -> None:
    """Both look-ups are called in one function, behind `if reader.linked`, and one place makes such a reader: the guard."""
    sources = {path: path.read_text(encoding="utf-8") for path in (PROJECT / "internal").rglob("*.py")}
    named = {str(path.relative_to(PROJECT)) for path, text in sources.items() if WITHOUT_OWNER.search(text)}
    bearers = [str(path.relative_to(PROJECT)) for path, text in sources.items() for _ in re.findall(r"= LINK_BEARER\b", text)]
    lookup = (PROJECT / "internal/library/lookup.py").read_text(encoding="utf-8")

    assert named == KNOWN
    assert bearers == ["internal/api/requests/identity.py"]
    assert [line.strip() for line in lookup.splitlines() if "_found_by_link(" in line] == [
        "return await _found_by_link(tables, image_id)",
        "return _complete(await _found_by_link(tables, image_id))",
        "async def _found_by_link(tables: Tables, image_id: UUID) -> Image | Upload:",
    ]
    assert lookup.count("    if reader.linked:\n        return") == 2
    assert len(re.findall(r"linked=True", "".join(sources.values()))) == 1

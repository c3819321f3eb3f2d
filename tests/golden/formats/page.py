"""Writes docs/formats.md from observed results: `make documents`."""

from collections.abc import Iterable
from functools import cache
from itertools import groupby

from internal.pipeline.containers.formats import FORMATS
from internal.runtime.project import PROJECT
from tests.golden.formats import wheel
from tests.golden.formats.kind import Kind
from tests.golden.formats.kinds import KINDS
from tests.golden.formats.observed import Observed, Refusal, Result, observe, off, on_ground, room

PAGE = PROJECT / "docs" / "formats.md"
_HEAD = """# Formats

Which files are accepted, how they are shown, and what of them is kept in which result. This page is generated
(`make documents`): every row is a file that was rendered to every format of results, with the versions [at the end](#versions).
A test fails when a row is no longer true.

- *Shown*: how the picture looks in any result. A picture that can't be shown right is refused, with a code and a sentence.
- The columns of the results say what is kept: **C** its colours, **T** its transparency (else it is laid over white), **A** its
  animation (else the first frame; of an APNG the static picture), **P** its colour profile, with `keep:icc` (else the colours
  become sRGB).
- Every result has 8 bits a channel and stands upright.
- A damaged file is refused with `invalid_image` as far as its decoder can tell. It can't where other bytes are pixels just
  as well: in a TIFF these are pixels that are not compressed, most of JPEG's and WebP's, and deflated ones of which enough come
  out (the checksum of a strip or tile is then not reached).
"""


@cache
def observed(kind: Kind) -> Observed | Refusal:
    """Observed results for the kind. Cached: the tests of the row and of the page need the same."""
    return observe(kind)


def page() -> str:
    """The text of the page."""
    parts = [_HEAD]
    for name, kinds in groupby(KINDS, lambda kind: kind.format):
        parts.append(f"\n## {name}\n\n{_table(('Kind', 'Shown', *FORMATS), map(_row, kinds))}\n")
    parts.append(f"\n## Versions\n\n{_table(('Library', 'Version'), wheel.versions().items())}\n")
    return "".join(parts)


def _row(kind: Kind) -> tuple[str, ...]:
    seen = observed(kind)
    if isinstance(seen, Refusal):
        return kind.name, f"refused, `{seen.code}`: {seen.detail}", *("" for _ in FORMATS)
    about = f"{kind.shown}; {seen.facts.frames} frames" if seen.facts.frames > 1 else kind.shown
    return kind.name, about, *(_kept(kind, name, result) for name, result in seen.results.items())


def _kept(kind: Kind, name: str, result: Result) -> str:
    right = kind.colours if result.alpha else on_ground(kind.colours)
    marks = {
        "C": off(result.colours, right) <= room(kind, name),
        "T": kind.alpha and result.alpha,
        "A": kind.frames > 1 and result.frames == kind.frames,
        "P": kind.profile and result.profile,
    }
    return "".join(mark for mark, kept in marks.items() if kept) or "wrong"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

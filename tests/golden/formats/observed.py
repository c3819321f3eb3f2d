"""Observed results for a kind of file: renders it, in this process, to every output format."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyvips
from msgspec import Struct

from internal.domain.errors import ServiceError
from internal.pipeline.containers.formats import FORMATS
from internal.pipeline.language.grammar import Grammar
from internal.pipeline.vips.render import render, restrict_libvips
from internal.ports.sandbox import Facts, RenderJob, RenderLimits
from tests.golden.formats.kind import Colour, Kind, Quarters

LIMITS = RenderLimits(
    max_width=32768, max_height=32768, max_pixels=10**8, max_frames=99, max_output_pixels=10**8, max_output_bytes=10**8
)
LOSSY = {"png": 0, "jpeg": 12, "webp": 12, "avif": 12, "gif": 6}
"""Additional tolerance of each format in steps of 255."""
GROUND = 255
"""Default background: white."""


class Refusal(Struct, frozen=True):
    """The file was refused."""

    code: str
    detail: str


class Result(Struct, frozen=True):
    """A result with the colours of its first frame."""

    alpha: bool
    frames: int
    profile: bool
    colours: Quarters


class Observed(Struct, frozen=True):
    """Facts of the original, and the result in each format."""

    facts: Facts
    results: dict[str, Result]


def observe(kind: Kind) -> Observed | Refusal:
    """Render the kind to each format, keeping its profile if it has one."""
    with _heif_taken(), tempfile.TemporaryDirectory() as folder:
        try:
            return Observed(_facts(kind, Path(folder)), {name: _result(kind, name, Path(folder)) for name in FORMATS})
        except ServiceError as error:
            return Refusal(error.code, error.detail)


def _facts(kind: Kind, folder: Path) -> Facts:
    facts = _render(kind, "format:png", folder, want_facts=True)
    assert facts is not None
    return facts


def _result(kind: Kind, name: str, folder: Path) -> Result:
    _render(kind, f"format:{name}" + ("|keep:icc" if kind.profile else "") + ("|quality:95" if LOSSY[name] else ""), folder)
    first = pyvips.Image.new_from_file(str(folder / "target"))
    profile = bool(first.get_typeof("icc-profile-data"))
    frames = int(first.get("n-pages")) if first.get_typeof("n-pages") else 1
    quarters = quarters_of(first)
    return Result(any(colour[3] < 255 for colour in quarters), frames, profile, quarters)


def _render(kind: Kind, chain: str, folder: Path, *, want_facts: bool = False) -> Facts | None:
    (folder / "source").write_bytes(kind.data())
    job = RenderJob(folder / "source", folder / "target", chain, kind.media_type, LIMITS, want_facts=want_facts)
    return render(job, Grammar().parse(chain), folder).facts


def quarters_of(image: pyvips.Image) -> Quarters:
    """The visible colours: in sRGB, by the picture's own profile."""
    if image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", embedded=True, depth=8)
    shown = image.colourspace("srgb").copy_memory()
    opaque = [] if shown.hasalpha() else [255]
    places = ((x * shown.width // 4, y * shown.height // 4) for y in (1, 3) for x in (1, 3))
    return tuple(tuple(round(value) for value in [*shown.getpoint(*place), *opaque]) for place in places)


def off(seen: Quarters, right: Quarters) -> int:
    """The largest difference of any colour, in steps of 255. Transparent colours are equal."""
    return max(_distance(one, other) for one, other in zip(seen, right, strict=True))


def _distance(seen: Colour, right: Colour) -> int:
    if seen[3] == right[3] == 0:
        return 0
    return max(abs(one - other) for one, other in zip(seen, right, strict=True))


def room(kind: Kind, name: str) -> int:
    """Tolerance for a result of this format, in steps of 255."""
    return kind.within + LOSSY[name]


def on_ground(colours: Quarters) -> Quarters:
    """These colours composited over white."""
    return tuple(
        (*(round((value * alpha + GROUND * (255 - alpha)) / 255) for value in colour), 255) for *colour, alpha in colours
    )


@contextmanager
def _heif_taken() -> Iterator[None]:
    restrict_libvips(heif=True)
    try:
        yield
    finally:
        restrict_libvips()

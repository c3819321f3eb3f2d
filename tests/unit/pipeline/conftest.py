"""Renders in this process, without a sandbox: what a chain makes of a picture."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pytest
import pyvips
from msgspec import Struct

from internal.pipeline.language.grammar import Grammar
from internal.pipeline.vips.picture import Picture
from internal.pipeline.vips.render import render, restrict_libvips
from internal.sandbox.port import Encoded, Rendered, RenderJob, RenderLimits

LIMITS = RenderLimits(
    max_width=20_000,
    max_height=20_000,
    max_pixels=50_000_000,
    max_frames=100,
    max_output_pixels=50_000_000,
    max_output_bytes=50_000_000,
)
Renderer: TypeAlias = Callable[..., tuple[Encoded, Path]]
Shown: TypeAlias = Callable[..., list[list[float]]]


class Made(Struct):
    """All that a job left: what it says, and its two files, whether they are there or not."""

    rendered: Rendered
    target: Path
    alternative: Path


class Maker(Protocol):
    """`maker(data, chain, media_type, …)`, with any field of RenderJob; raises what render raises."""

    def __call__(self, data: bytes, chain: str, media_type: str = ..., **job: Any) -> Made: ...


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    """Renders, and gives all that there is to know of it."""
    grammar = Grammar(presets={"tiny": "resize:10x10|format:webp"})

    def run(data: bytes, chain: str, media_type: str = "image/jpeg", **job: Any) -> Made:
        source, target, alternative, scratch = (tmp_path / name for name in ("source", "target", "alternative", "scratch"))
        source.write_bytes(data)
        scratch.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        asked = RenderJob(source, target, chain, media_type, **{"limits": LIMITS, "alternative": alternative, **job})
        rendered = render(asked, grammar.parse(chain), scratch)
        assert not list(scratch.iterdir())
        return Made(rendered, target, alternative)

    return run


@pytest.fixture
def rendered(maker: Maker) -> Renderer:
    """`rendered(data, chain, media_type)` gives the facts and the file of the result; raises what render raises."""

    def run(data: bytes, chain: str, media_type: str = "image/jpeg", limits: RenderLimits = LIMITS) -> tuple[Encoded, Path]:
        done = maker(data, chain, media_type, limits=limits)
        return done.rendered.result, done.target

    return run


@pytest.fixture
def shown(rendered: Renderer) -> Shown:
    """`shown(data, chain)`: the colours of a TIFF's left and right half in the result, a PNG unless the chain says more."""

    def run(data: bytes, chain: str = "format:png") -> list[list[float]]:
        _, path = rendered(data, chain if "format" in chain else f"{chain}|format:png", "image/tiff")
        image = pyvips.Image.new_from_file(str(path))
        return [image(3, 3), image(image.width - 4, 3)]

    return run


@pytest.fixture
def heif_input() -> Iterator[None]:
    """As where the configuration takes AVIF and HEIF."""
    restrict_libvips(heif=True)
    yield
    restrict_libvips()


def applied(chain: str, picture: Picture) -> Picture:
    """What the operations of `chain` make of a picture, without a file on either side."""
    for operation in Grammar().parse(chain).operations:
        picture = operation.apply(picture)
    return picture

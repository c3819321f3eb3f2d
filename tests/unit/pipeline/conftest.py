"""Fixtures that render in this process, without a sandbox."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pytest
import pyvips
from msgspec import Struct

from internal.pipeline.language.grammar import Grammar
from internal.pipeline.vips.picture import Picture
from internal.pipeline.vips.render import render, restrict_libvips
from internal.ports.sandbox import Encoded, Rendered, RenderJob, RenderLimits

LIMITS = RenderLimits(
    max_width=20_000,
    max_height=20_000,
    max_pixels=50_000_000,
    max_frames=100,
    max_output_pixels=50_000_000,
    max_output_bytes=50_000_000,
)
Renderer: TypeAlias = Callable[..., tuple[Encoded, Path]]
ShownColours: TypeAlias = Callable[..., list[list[float]]]


class JobResult(Struct):
    """The result of a job and the paths of its two files, which need not exist."""

    rendered: Rendered
    target: Path
    alternative: Path


class JobRenderer(Protocol):
    """`render_job(data, chain, media_type, …)`, with any field of RenderJob. Raises the errors of `render`."""

    def __call__(self, data: bytes, chain: str, media_type: str = ..., **job: Any) -> JobResult: ...


@pytest.fixture
def render_job(tmp_path: Path) -> JobRenderer:
    """Render a job and return its whole result."""
    grammar = Grammar(presets={"tiny": "resize:10x10|format:webp"})

    def run(data: bytes, chain: str, media_type: str = "image/jpeg", **job: Any) -> JobResult:
        source, target, alternative, scratch = (tmp_path / name for name in ("source", "target", "alternative", "scratch"))
        source.write_bytes(data)
        scratch.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        asked = RenderJob(source, target, chain, media_type, **{"limits": LIMITS, "alternative": alternative, **job})
        rendered = render(asked, grammar.parse(chain), scratch)
        assert not list(scratch.iterdir())
        return JobResult(rendered, target, alternative)

    return run


@pytest.fixture
def rendered(render_job: JobRenderer) -> Renderer:
    """`rendered(data, chain, media_type)` returns the result's Encoded and its file. Raises the errors of `render`."""

    def run(data: bytes, chain: str, media_type: str = "image/jpeg", limits: RenderLimits = LIMITS) -> tuple[Encoded, Path]:
        done = render_job(data, chain, media_type, limits=limits)
        return done.rendered.result, done.target

    return run


@pytest.fixture
def shown(rendered: Renderer) -> ShownColours:
    """`shown(data, chain)` returns the colours of the left and right half of a TIFF's result, a PNG by default."""

    def run(data: bytes, chain: str = "format:png") -> list[list[float]]:
        _, path = rendered(data, chain if "format" in chain else f"{chain}|format:png", "image/tiff")
        image = pyvips.Image.new_from_file(str(path))
        return [image(3, 3), image(image.width - 4, 3)]

    return run


@pytest.fixture
def heif_input() -> Iterator[None]:
    """Allow AVIF and HEIF input."""
    restrict_libvips(heif=True)
    yield
    restrict_libvips()


def apply_chain(chain: str, picture: Picture) -> Picture:
    """The picture after the operations of `chain`, without any file."""
    for operation in Grammar().parse(chain).operations:
        picture = operation.apply(picture)
    return picture

"""Renders in this process, without a sandbox: what a chain makes of a picture."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from internal.pipeline.grammar import Grammar
from internal.pipeline.render import render
from internal.sandbox.port import Encoded, RenderJob, RenderLimits

LIMITS = RenderLimits(
    max_width=20_000,
    max_height=20_000,
    max_pixels=50_000_000,
    max_frames=100,
    max_output_pixels=50_000_000,
    max_output_bytes=50_000_000,
)
Renderer: TypeAlias = Callable[..., tuple[Encoded, Path]]


@pytest.fixture
def rendered(tmp_path: Path) -> Renderer:
    """`rendered(data, chain, media_type)` gives the facts and the file of the result; raises what render raises."""
    grammar = Grammar(presets={"tiny": "resize:10x10|format:webp"})

    def run(data: bytes, chain: str, media_type: str = "image/jpeg", limits: RenderLimits = LIMITS) -> tuple[Encoded, Path]:
        source, target, scratch = tmp_path / "source", tmp_path / "target", tmp_path / "scratch"
        source.write_bytes(data)
        scratch.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        made = render(RenderJob(source, target, chain, media_type, limits), grammar.parse(chain), scratch)
        assert not list(scratch.iterdir())
        return made.result, target

    return run

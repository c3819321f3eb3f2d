"""The sandbox's contract: the only place where a picture is decoded."""

from pathlib import Path
from typing import Annotated, Protocol

from msgspec import Meta, Struct

Side = Annotated[int, Meta(ge=1, le=2**20)]
"""Pixels. Such limits hold for what a child tells: it may be in a stranger's hands."""
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
"""Neither NaN nor infinity: each compares as false."""


class RenderLimits(Struct, frozen=True):
    """What one picture may be and may cost. Pixels count width * height * frames; bytes are the encoded result's."""

    max_width: int
    max_height: int
    max_pixels: int
    max_frames: int
    max_output_pixels: int
    max_output_bytes: int


class Overlay(Struct, frozen=True):
    """Another picture that a pipeline lays over this one: its file, and what its upload's bytes said it is."""

    path: Path
    media_type: str


class RenderJob(Struct, frozen=True):
    """Read `source`, apply `pipeline` (canonical text), write `target`. `media_type` is what the upload's bytes said.

    `alternative`: where the second file of `format:auto` goes. `overlays`: by image id, each picture that the pipeline names.
    `want_facts`: look for the Facts too.
    """

    source: Path
    target: Path
    pipeline: str
    media_type: str
    limits: RenderLimits
    alternative: Path | None = None
    overlays: dict[str, Overlay] = {}
    want_facts: bool = False


class Encoded(Struct, frozen=True):
    """One file that was made: one frame's `width` and `height` in pixels, `size` in bytes."""

    width: Side
    height: Side
    frames: Annotated[int, Meta(ge=1, le=2**20)]
    size: Annotated[int, Meta(ge=1, le=2**40)]
    content_type: Annotated[str, Meta(max_length=64)]


class Facts(Struct, frozen=True):
    """What a decode tells of an original: `width` and `height` of a frame in pixels as stored, and the EXIF `orientation` that
    turns it upright, for AVIF and HEIC too (their `irot` and `imir`).

    `dominant_colour` is `#rrggbb`; `thumbhash` is base64 of https://evanw.github.io/thumbhash/, of the upright picture.
    """

    width: Side
    height: Side
    orientation: Annotated[int, Meta(ge=1, le=8)]
    frames: Annotated[int, Meta(ge=1, le=2**20)]
    has_alpha: bool
    dominant_colour: Annotated[str, Meta(pattern=r"^#[0-9a-f]{6}\Z")]
    thumbhash: Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{0,64}={0,2}\Z")]


class Rendered(Struct, frozen=True):
    """What lies in `target` now, and in `alternative` when that is not None. `seconds` on the clock, `cpu_seconds` of CPU."""

    result: Encoded
    alternative: Encoded | None
    facts: Facts | None
    seconds: Seconds
    cpu_seconds: Seconds


class Sandbox(Protocol):
    """Decodes and encodes where nothing can be harmed. Adapter: pool. Tests: tests/integration/test_sandbox.py.

    INVARIANT: a hostile file costs one child process at most; this process and the pictures beside it go on (G7).
    """

    async def render(self, job: RenderJob) -> Rendered:
        """Render one picture; waits for a free child. Leaves no file but `target` and `alternative`, and those only on success.

        Raises one of errors.PERMANENT, which no later attempt can mend; or, when the child died and is replaced: DecoderFailed,
        DecoderOutOfMemory or DecoderTimeout; or, when no picture is to blame, SandboxUnavailable or ScratchUnavailable.
        Cancelling kills the child at once.
        """

    async def check(self) -> None:
        """Raise SandboxUnavailable unless a child can be started."""

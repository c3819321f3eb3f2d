"""Contract of the sandbox, the only place where pictures are decoded."""

from pathlib import Path
from typing import Annotated, Protocol

from msgspec import Meta, Struct

Side = Annotated[int, Meta(ge=1, le=2**20)]
"""Pixels. These limits bound the numbers in a child's reply, because the child may be compromised."""
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
"""Seconds. The limits exclude NaN and infinity too."""


class RenderLimits(Struct, frozen=True):
    """Limits of one picture. Pixels count width * height * frames; bytes are those of the encoded result."""

    max_width: int
    max_height: int
    max_pixels: int
    max_frames: int
    max_output_pixels: int
    max_output_bytes: int


class Overlay(Struct, frozen=True):
    """A picture that a pipeline composites onto this one: its file, and the media type detected at its upload."""

    path: Path
    media_type: str


class RenderJob(Struct, frozen=True):
    """One rendering: read `source`, apply `pipeline` (canonical text), write `target`.

    `media_type` was detected at the upload. `alternative` is the path of the second file of `format:auto`. `overlays` holds each
    picture that the pipeline names, by image id. If `want_facts` is true, the Facts of the original are collected too.
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
    """An encoded file: `width` and `height` of one frame in pixels, `size` in bytes."""

    width: Side
    height: Side
    frames: Annotated[int, Meta(ge=1, le=2**20)]
    size: Annotated[int, Meta(ge=1, le=2**40)]
    content_type: Annotated[str, Meta(max_length=64)]


class Facts(Struct, frozen=True):
    """Properties of an original that only a decoder can find.

    `width` and `height` are those of a stored frame, in pixels. `orientation` is the EXIF value that turns it upright, also for
    AVIF and HEIC (from their `irot` and `imir`). `dominant_colour` is `#rrggbb`. `thumbhash` is the base64 form of
    https://evanw.github.io/thumbhash/ for the upright picture.
    """

    width: Side
    height: Side
    orientation: Annotated[int, Meta(ge=1, le=8)]
    frames: Annotated[int, Meta(ge=1, le=2**20)]
    has_alpha: bool
    dominant_colour: Annotated[str, Meta(pattern=r"^#[0-9a-f]{6}\Z")]
    thumbhash: Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{0,64}={0,2}\Z")]


class Rendered(Struct, frozen=True):
    """Result of a rendering: the files at the job's `target` and `alternative`, elapsed `seconds` and `cpu_seconds`."""

    result: Encoded
    alternative: Encoded | None
    facts: Facts | None
    seconds: Seconds
    cpu_seconds: Seconds


class Sandbox(Protocol):
    """Isolated decoding and encoding. Adapter: pool. Tests: tests/integration/test_sandbox.py.

    INVARIANT: a hostile file costs at most one child process; this process and the other pictures continue (G7).
    """

    async def render(self, job: RenderJob) -> Rendered:
        """Render one picture. Waits for a free child. Writes `target` and `alternative` on success, and leaves no other file.

        Raises one of errors.PERMANENT if no later attempt can succeed; DecoderFailed, DecoderOutOfMemory or DecoderTimeout if the
        child died (it is replaced); SandboxUnavailable or ScratchUnavailable if the picture is not the cause. Cancelling the
        call kills the child immediately.
        """

    async def check(self) -> None:
        """Raise SandboxUnavailable unless a child can be started."""

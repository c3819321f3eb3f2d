"""The sandbox's contract: the only place where a picture is decoded."""

from pathlib import Path
from typing import Protocol

from msgspec import Struct


class RenderLimits(Struct, frozen=True):
    """What one picture may be and may cost. Pixels count width * height * frames; bytes are the encoded result's."""

    max_width: int
    max_height: int
    max_pixels: int
    max_frames: int
    max_output_pixels: int
    max_output_bytes: int


class RenderJob(Struct, frozen=True):
    """Read `source`, apply `pipeline` (canonical text), write `target`. `media_type` is what the upload's bytes said."""

    source: Path
    target: Path
    pipeline: str
    media_type: str
    limits: RenderLimits


class Rendered(Struct, frozen=True):
    """What lies in `target` now: one frame's `width` and `height` in pixels, `size` in bytes, `sha256` in hexadecimal.

    `source_width`, `source_height`: the original's, in pixels as stored. `seconds` on the wall, `cpu_seconds` of the child.
    """

    width: int
    height: int
    frames: int
    size: int
    sha256: str
    content_type: str
    source_width: int
    source_height: int
    seconds: float
    cpu_seconds: float


class Sandbox(Protocol):
    """Decodes and encodes where nothing can be harmed. Adapter: pool. Tests: tests/integration/test_sandbox.py.

    INVARIANT: a hostile file costs one child process at most; this process and the pictures beside it go on (G7).
    """

    async def render(self, job: RenderJob) -> Rendered:
        """Render one picture; waits for a free child. Leaves no file but `target`, and that only on success.

        Raises one of errors.PERMANENT, which no later attempt can mend; or, when the child died and is replaced: DecoderFailed,
        DecoderOutOfMemory or DecoderTimeout. Cancelling kills the child at once.
        """

    async def check(self) -> None:
        """Raise ServiceError unless a child can be started."""

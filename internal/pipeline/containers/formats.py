"""Output formats: media types, capabilities and encoding options."""

from typing import Literal

from msgspec import Struct

Modern = Literal["webp", "avif"]
"""Modern formats that `format:auto` can create besides its fallback."""


USUAL_QUALITY = 80
"""Default quality of JPEG and WebP."""


class OutputFormat(Struct, frozen=True):
    """An output format. `max_side` in pixels; `alpha`, `animation`, `profile` and `grey_profile` say what it supports.

    `quality` is the encoder's default; None for a format without lossy quality. The defaults look like a JPEG of 80: AVIF has
    another scale (on a photograph of 2 MP, CIEDE2000 is 1.5 for JPEG and AVIF, 1.6 for WebP).
    """

    name: str
    media_type: str
    alpha: bool
    animation: bool
    profile: bool
    max_side: int
    quality: int | None = None
    grey_profile: bool = False
    max_delay: int = 0
    """The longest delay of a frame in milliseconds. Savers do not check: GIF's wraps around, WebP's writes nothing."""


class Encoding(Struct, frozen=True):
    """Encoding options of a result, from its chain. `max_bytes` lowers the quality only as far as needed."""

    quality: int | None = None
    lossless: bool = False
    progressive: bool = False
    max_bytes: int | None = None
    keep: frozenset[str] = frozenset()


FORMATS = {
    known.name: known
    for known in (
        OutputFormat(
            "jpeg",
            "image/jpeg",
            alpha=False,
            animation=False,
            profile=True,
            max_side=65500,
            quality=USUAL_QUALITY,
            grey_profile=True,
        ),
        OutputFormat("png", "image/png", alpha=True, animation=False, profile=True, max_side=65535, grey_profile=True),
        OutputFormat(
            "webp",
            "image/webp",
            alpha=True,
            animation=True,
            profile=True,
            max_side=16383,
            quality=USUAL_QUALITY,
            max_delay=2**24 - 1,
        ),
        OutputFormat("avif", "image/avif", alpha=True, animation=False, profile=True, max_side=16384, quality=55),
        OutputFormat("gif", "image/gif", alpha=True, animation=True, profile=False, max_side=65535, max_delay=655_350),
    )
}
EXPLICIT_ONLY = frozenset({"avif"})
"""Formats that are used only on request, not because the input has them: they take seconds."""
LOSSLESS = frozenset({"png", "webp", "avif"})
"""Formats that can store every pixel exactly."""


def output_format(requested: str | None, input_media_type: str, *, has_alpha: bool = False) -> OutputFormat:
    """The format of a result: as requested, else as the input. TIFF, AVIF and HEIF become JPEG, or PNG if they have alpha."""
    if requested is not None:
        return FORMATS[requested]
    same = (known for known in FORMATS.values() if known.media_type == input_media_type and known.name not in EXPLICIT_ONLY)
    return next(same, FORMATS["png" if has_alpha else "jpeg"])


def alternative_format(modern: str | None, fallback: OutputFormat, *, frames: int) -> OutputFormat | None:
    """The format of the second file of `format:auto`; None if it would be the fallback's.

    Our AVIF holds one frame, so an animation becomes WebP instead: both files show the same picture.
    """
    if modern is None:
        return None
    wanted = FORMATS[modern]
    if frames > 1 and not wanted.animation:
        wanted = FORMATS["webp"]
    return None if wanted == fallback else wanted

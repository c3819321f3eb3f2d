"""The formats of results: their media types, what they can hold, and how they are written."""

from typing import Literal

from msgspec import Struct

Modern = Literal["webp", "avif"]
"""What `format:auto` can make beside its fallback."""


USUAL_QUALITY = 80
"""Of JPEG and WebP, when nothing else is asked for."""


class OutputFormat(Struct, frozen=True):
    """`max_side` in pixels; `alpha`, `animation`, `profile`, `grey_profile` say whether it holds transparency, frames, a colour
    profile, one for a single grey channel.

    `quality` is the encoder's number when nothing is asked for; None for a format that loses nothing by quality. Each is what
    looks like a JPEG of 80: AVIF's scale is another one (CIEDE2000 of 1.5 for both on a photograph of 2 MP, WebP 1.6).
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
    """Milliseconds that a frame can be seen. Savers don't look: GIF's would write the rest of a division, WebP's nothing."""


class Encoding(Struct, frozen=True):
    """How a result is written: the options of a chain. `max_bytes` lowers the quality as far as is needed, and no further."""

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
ASKED_FOR_ONLY = frozenset({"avif"})
"""Formats that are made for those who name them, and not because a picture came so: they take seconds."""
LOSSLESS = frozenset({"png", "webp", "avif"})
"""Formats that can keep every pixel as it is."""


def output_format(asked_for: str | None, input_media_type: str, *, has_alpha: bool = False) -> OutputFormat:
    """The format of a result: as asked for, else as the input; TIFF, AVIF and HEIF become JPEG, or PNG when they have alpha."""
    if asked_for is not None:
        return FORMATS[asked_for]
    same = (known for known in FORMATS.values() if known.media_type == input_media_type and known.name not in ASKED_FOR_ONLY)
    return next(same, FORMATS["png" if has_alpha else "jpeg"])


def alternative_format(modern: str | None, fallback: OutputFormat, *, frames: int) -> OutputFormat | None:
    """The format of the second file of `format:auto`, None where there is none to gain.

    AVIF holds one frame here, so that an animation gets WebP instead: the two files show the same picture.
    """
    if modern is None:
        return None
    wanted = FORMATS[modern]
    if frames > 1 and not wanted.animation:
        wanted = FORMATS["webp"]
    return None if wanted == fallback else wanted

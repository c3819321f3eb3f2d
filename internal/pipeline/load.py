"""From a file to a picture: its header is held against the limits, then its pixels are decoded, as few as the chain needs.

The pixels come row by row, in 8 bits and upright, already scaled where the chain begins by making the picture smaller. Nothing is
held in memory here, but for a picture that lies on its side.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyvips
from msgspec import Struct

from internal.errors import ImageTooLarge, UnsupportedMediaType
from internal.pipeline.chain import Chain
from internal.pipeline.containers import looked_over
from internal.pipeline.formats import FORMATS, OutputFormat
from internal.pipeline.operations.thumbnail import Thumbnail
from internal.pipeline.picture import Picture, Pixels
from internal.pipeline.profiles import GREY, in_own_profile, is_plain, to_srgb
from internal.sandbox.port import RenderLimits

LOADERS = {
    "image/jpeg": "jpegload",
    "image/png": "pngload",
    "image/webp": "webpload",
    "image/gif": "gifload",
    "image/tiff": "tiffload",
    "image/avif": "heifload",
    "image/heic": "heifload",
}
"""The loader of each media type that we may take, named here and never guessed by libvips."""
HEIF = frozenset({"image/avif", "image/heic"})
"""Taken where the configuration says so. Their decoder follows the orientation by itself."""
PREMULTIPLIED = frozenset({"image/gif"})
"""What a transparent pixel is black in as it comes from the loader, so that scaling need not multiply by alpha.

INVARIANT: test_a_transparent_pixel_of_a_gif_is_black.
"""
_CLASSES = {
    "jpegload": "VipsForeignLoadJpeg",
    "pngload": "VipsForeignLoadPng",
    "webpload": "VipsForeignLoadWebp",
    "gifload": "VipsForeignLoadNsgif",
    "tiffload": "VipsForeignLoadTiff",
    "heifload": "VipsForeignLoadHeif",
}
_READING: dict[str, Any] = {"access": "sequential", "fail_on": "truncated"}
_taken: frozenset[str] = frozenset()
SMALL = 32
"""Pixels: the longer side of a copy that still shows what a picture looks like."""


class Header(Struct, frozen=True):
    """What a file says of itself: the size of one frame as stored, in pixels, and how many there are."""

    width: int
    height: int
    frames: int
    orientation: int
    has_alpha: bool

    @property
    def pixels(self) -> int:
        """Of all frames."""
        return self.width * self.height * self.frames


class Source(Struct, frozen=True):
    """A file whose header has been read and lies within the limits. `pixels` are read once and from top to bottom, by `load`."""

    path: Path
    media_type: str
    header: Header
    pixels: Any


def restrict_libvips(heif: bool = False) -> None:
    """Leave the loaders that we name and no other: blocking "untrusted" ones alone would still load text matrices.

    AVIF and HEIF only with `heif`. libvips' cache of operations is switched off: it would hold pictures of strangers. Called once
    at the start of a process; without that the first picture calls it, and takes no HEIF.
    """
    global _taken
    _taken = frozenset(LOADERS) if heif else frozenset(LOADERS) - HEIF
    pyvips.operation_block_set("VipsForeignLoad", True)
    for media_type in _taken:
        pyvips.operation_block_set(_CLASSES[LOADERS[media_type]], False)
    pyvips.cache_set_max(0)


@contextmanager
def opened(path: Path, media_type: str, limits: RenderLimits, copy: Path) -> Iterator[Source]:
    """The file, its container looked over and its header read. `copy`: where one may be made, which is removed again.

    Raises UnsupportedMediaType, InvalidImage, ImageTooLarge and pyvips.Error.
    """
    if not _taken:
        restrict_libvips()
    if media_type not in _taken:
        raise UnsupportedMediaType
    try:
        readable = looked_over(path, media_type, copy)
        pixels = _open(readable, media_type)
        header = _header(pixels, media_type)
        _require_within(header, limits)
        yield Source(readable, media_type, header, pixels)
    finally:
        copy.unlink(missing_ok=True)


def load(source: Source, chain: Chain, result: OutputFormat) -> Picture:
    """The picture upright, in 8 bits; already scaled when the chain begins by making it smaller. Read as it is computed."""
    header, convert = source.header, in_own_profile if _keeps_colours(source, chain, result) else to_srgb
    options = _load_options(source.media_type, header, chain, result)
    pixels = _open(source.path, source.media_type, **options) if options else source.pixels
    animated = header.frames > 1 and result.animation
    notes = {"delays": pixels.get("delay"), "loop": pixels.get("loop")} if animated and pixels.get_typeof("delay") else {}
    picture = Picture(pixels if is_plain(pixels) else convert(pixels), header.frames if animated else 1, **notes)
    if (smaller := _first_size(header, chain)) is not None:
        picture = picture.scaled(*smaller, premultiplied=source.media_type in PREMULTIPLIED)
    return _upright(picture.with_pixels(convert), header.orientation if chain.autorotate else 1)


def _keeps_colours(source: Source, chain: Chain, result: OutputFormat) -> bool:
    """Whether the pixels stay in their own profile, which every file that is made of them must be able to hold."""
    grey = source.pixels.interpretation in GREY
    holds = result.grey_profile and chain.alternative is None if grey else result.profile
    return holds and "icc" in chain.encoding.keep and chain.in_any_colours


def shows_the_original(header: Header, chain: Chain) -> bool:
    """Whether what `load` gives for this chain is upright, of the original's shape, and not tiny."""
    size = _first_size(header, chain)
    if size is None:
        shaped = True
    else:
        shaped = max(size) >= SMALL and abs(size[0] * header.height - size[1] * header.width) <= max(header.width, header.height)
    return shaped and (chain.autorotate or header.orientation == 1)


def miniature(source: Source) -> Picture:
    """A small copy of the original, upright, whatever its chain does to it. Reads the file once more."""
    anew = Source(source.path, source.media_type, source.header, _open(source.path, source.media_type))
    return load(anew, Chain((Thumbnail(SMALL),)), FORMATS["png"]).in_memory()


def frames_in(path: Path, media_type: str) -> int:
    """How many frames a file of ours has: libwebp makes one of two that are equal, and lets it be seen as long as both."""
    pixels = _open(path, media_type)
    return int(pixels.get("n-pages")) if pixels.get_typeof("n-pages") else 1


def _open(path: Path, media_type: str, **options: Any) -> Pixels:
    return getattr(pyvips.Image, LOADERS[media_type])(str(path), **_READING, **options)


def _header(pixels: Pixels, media_type: str) -> Header:
    frames = int(pixels.get("n-pages")) if media_type in ("image/gif", "image/webp") and pixels.get_typeof("n-pages") else 1
    orientation = int(pixels.get("orientation")) if pixels.get_typeof("orientation") else 1
    return Header(pixels.width, pixels.height, frames, orientation, bool(pixels.hasalpha()))


def _require_within(header: Header, limits: RenderLimits) -> None:
    if header.width > limits.max_width or header.height > limits.max_height:
        raise ImageTooLarge(
            f"The picture is {header.width}x{header.height}; {limits.max_width}x{limits.max_height} pixels are the most."
        )
    if header.frames > limits.max_frames:
        raise ImageTooLarge(f"The animation has {header.frames} frames; {limits.max_frames} are the most.")
    if header.pixels > limits.max_pixels:
        raise ImageTooLarge(f"The picture has {header.pixels} pixels, all frames together; {limits.max_pixels} are the most.")


def _upright(picture: Picture, orientation: int) -> Picture:
    """Turned as its EXIF says. Only a mirrored one can be read row by row; the others need their last row first."""
    if orientation <= 1:
        return picture
    ready = picture if orientation == 2 else picture.in_memory()
    return ready.each_frame(lambda frame: frame.autorot())


def _first_size(header: Header, chain: Chain) -> tuple[int, int] | None:
    """The size, as stored, that the chain scales to before anything else; None unless that makes the picture smaller."""
    lying = chain.autorotate and header.orientation >= 5
    size = (header.height, header.width) if lying else (header.width, header.height)
    wanted = chain.operations[0].scaled(*size) if chain.operations else None
    if wanted is None or wanted == size or wanted[0] > size[0] or wanted[1] > size[1]:
        return None
    return (wanted[1], wanted[0]) if lying else wanted


def _load_options(media_type: str, header: Header, chain: Chain, result: OutputFormat) -> dict[str, Any]:
    """All frames, or what can be left out. JPEG: from a ratio of 3 on the largest shrink above the target.

    WebP: all of it, but not beside alpha: its decoder would mix the colours of transparent pixels in.
    """
    if header.frames > 1 and result.animation:
        return {"n": -1}
    wanted = _first_size(header, chain)
    ratio = min(header.width / wanted[0], header.height / wanted[1]) if wanted else 1.0
    if media_type == "image/jpeg" and ratio >= 3:
        return {"shrink": 8 if ratio >= 8 else 4 if ratio >= 4 else 2}
    if media_type == "image/webp" and ratio > 1 and header.frames == 1 and not header.has_alpha:
        return {"scale": 1 / ratio}
    return {}

"""From a file to a picture: its header is held against the limits, then its pixels are decoded, as few as the chain needs.

The pixels come row by row, in 8 bits and upright, already scaled where the chain begins by making the picture smaller. Nothing is
held in memory here, but for a picture that lies on its side. What is different about a format is in `loaders`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyvips

from internal.errors import ImageTooLarge, UnsupportedMediaType
from internal.pipeline.containers.dimensions import side_beyond
from internal.pipeline.containers.formats import FORMATS, OutputFormat
from internal.pipeline.language.chain import Chain
from internal.pipeline.operations.thumbnail import Thumbnail
from internal.pipeline.vips.loaders import HEIF, SOURCES
from internal.pipeline.vips.loaders.source import Header, Size, Source
from internal.pipeline.vips.picture import Picture
from internal.pipeline.vips.profiles import GREY, in_own_profile, is_plain, to_srgb
from internal.sandbox.port import RenderLimits

_taken: frozenset[str] = frozenset()
SMALL = 32
"""Pixels: the longer side of a copy that still shows what a picture looks like."""


def restrict_libvips(heif: bool = False) -> None:
    """Leave the loaders that we name and no other: blocking "untrusted" ones alone would still load text matrices.

    AVIF and HEIF only with `heif`. libvips' cache of operations is switched off: it would hold pictures of strangers. Called once
    at the start of a process; without that the first picture calls it, and takes no HEIF.
    """
    global _taken
    _taken = frozenset(SOURCES) if heif else frozenset(SOURCES) - HEIF
    pyvips.operation_block_set("VipsForeignLoad", True)
    for media_type in _taken:
        pyvips.operation_block_set(SOURCES[media_type].operation_class, False)
    pyvips.cache_set_max(0)
    logging.getLogger("pyvips").setLevel(logging.WARNING)  # faults.warnings_heard listens


@contextmanager
def opened(path: Path, media_type: str, limits: RenderLimits, folder: Path, name: str) -> Iterator[Source]:
    """The file, its container looked over and its header read. Copies in `folder`, named `name-…`, are removed at the end.

    Raises UnsupportedMediaType, InvalidImage, ImageTooLarge and pyvips.Error.
    """
    if not _taken:
        restrict_libvips()
    if media_type not in _taken:
        raise UnsupportedMediaType
    try:
        source = SOURCES[media_type](path, media_type, folder, name)
        _require_within(source, limits)
        yield source
    finally:
        for copy in folder.glob(f"{name}-*"):
            copy.unlink()


def load(source: Source, chain: Chain, result: OutputFormat) -> Picture:
    """The picture upright, in 8 bits; already scaled when the chain begins by making it smaller. Read as it is computed."""
    header, convert = source.header, in_own_profile if _keeps_colours(source, chain, result) else to_srgb
    animated = header.frames > 1 and result.animation
    smaller = _first_size(header, chain)
    pixels = source.decoded(smaller, animated=animated)
    notes = {"delays": pixels.get("delay"), "loop": pixels.get("loop")} if animated and pixels.get_typeof("delay") else {}
    picture = Picture(pixels if is_plain(pixels) else convert(pixels), header.frames if animated else 1, **notes)
    if smaller is not None:
        picture = picture.scaled(*smaller, premultiplied=source.premultiplied, covered=source.covered(pixels))
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
    return shaped and not header.still_apart and (chain.autorotate or header.orientation == 1)


def miniature(source: Source) -> Picture:
    """A small copy of the original, upright, whatever its chain does to it. Reads the file once more."""
    return load(source.reopened(), Chain((Thumbnail(SMALL),)), FORMATS["png"]).in_memory()


def frames_in(path: Path, media_type: str) -> int:
    """How many frames a file of ours has: libwebp makes one of two that are equal, and lets it be seen as long as both."""
    source = SOURCES[media_type]
    return source.frames_of(source.open(path))


def _require_within(source: Source, limits: RenderLimits) -> None:
    """Sides and frames as stored, as the upload holds them against the limits too; the pixels of all that is decoded."""
    stored = source.stored
    if side := side_beyond(stored.width, stored.height, limits.max_width, limits.max_height):
        raise ImageTooLarge(f"The picture has {stored.width} x {stored.height} pixels; {side}.")
    if stored.frames > limits.max_frames:
        raise ImageTooLarge(f"The animation has {stored.frames} frames; {limits.max_frames} are the most.")
    pixels = max(source.header.pixels, stored.width * stored.height)
    if pixels > limits.max_pixels:
        raise ImageTooLarge(f"The picture has {pixels} pixels, all frames together; {limits.max_pixels} are the most.")


def _upright(picture: Picture, orientation: int) -> Picture:
    """Turned as its EXIF says. Only a mirrored one can be read row by row; the others need their last row first."""
    if orientation <= 1:
        return picture
    ready = picture if orientation == 2 else picture.in_memory()
    return ready.each_frame(lambda frame: frame.autorot())


def _first_size(header: Header, chain: Chain) -> Size | None:
    """The size, as stored, that the chain scales to before anything else; None unless that makes the picture smaller."""
    lying = chain.autorotate and header.orientation >= 5
    size = (header.height, header.width) if lying else (header.width, header.height)
    wanted = chain.operations[0].scaled(*size) if chain.operations else None
    if wanted is None or wanted == size or wanted[0] > size[0] or wanted[1] > size[1]:
        return None
    return (wanted[1], wanted[0]) if lying else wanted

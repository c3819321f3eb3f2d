"""Loader: checks a file's header against the limits and decodes as few pixels as the chain needs.

The pixels stream row by row, in 8 bits and upright, already scaled down if the chain begins with that. Nothing is held in memory,
except a picture that must be turned by 90 degrees or upside down. Code for single formats is in `loaders`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyvips

from internal.domain.errors import ImageTooLarge, UnsupportedMediaType
from internal.pipeline.containers.dimensions import oversized_side
from internal.pipeline.containers.formats import FORMATS, OutputFormat
from internal.pipeline.language.chain import Chain
from internal.pipeline.operations.thumbnail import Thumbnail
from internal.pipeline.vips.loaders import HEIF, SOURCES
from internal.pipeline.vips.loaders.source import Header, PixelSize, Source
from internal.pipeline.vips.picture import Picture
from internal.pipeline.vips.profiles import GREY, is_plain, to_eight_bits, to_srgb
from internal.ports.sandbox import RenderLimits

_allowed: frozenset[str] = frozenset()
"""Media types that this process decodes."""
SMALL_SIDE = 32
"""Pixels: the longer side of the small copy from which facts are computed."""


def restrict_libvips(heif: bool = False) -> None:
    """Block all libvips loaders except ours. Blocking only the "untrusted" ones would still load text matrices.

    AVIF and HEIF are allowed only with `heif`. The operation cache is switched off: it would keep pictures of other users. Call
    it once when a process starts; otherwise the first picture calls it, without HEIF.
    """
    global _allowed
    _allowed = frozenset(SOURCES) if heif else frozenset(SOURCES) - HEIF
    pyvips.operation_block_set("VipsForeignLoad", True)
    for media_type in _allowed:
        pyvips.operation_block_set(SOURCES[media_type].operation_class, False)
    pyvips.cache_set_max(0)
    logging.getLogger("pyvips").setLevel(logging.WARNING)  # for decode_errors.capture_warnings


@contextmanager
def open_source(path: Path, media_type: str, limits: RenderLimits, folder: Path, name: str) -> Iterator[Source]:
    """The file with its container sanitized and its header read. Copies in `folder`, named `name-…`, are removed at the end.

    Raises UnsupportedMediaType, InvalidImage, ImageTooLarge and pyvips.Error.
    """
    if not _allowed:
        restrict_libvips()
    if media_type not in _allowed:
        raise UnsupportedMediaType
    try:
        source = SOURCES[media_type](path, media_type, folder, name)
        _check_limits(source, limits)
        yield source
    finally:
        for copy in folder.glob(f"{name}-*"):
            copy.unlink()


def load(source: Source, chain: Chain, result: OutputFormat) -> Picture:
    """The picture, upright and in 8 bits, already scaled down if the chain begins with that. Lazy."""
    header, convert = source.header, to_eight_bits if _keeps_profile(source, chain, result) else to_srgb
    animated = header.frames > 1 and result.animation
    target = _first_size(header, chain)
    pixels = source.decode(target, animated=animated)
    fields = {"delays": pixels.get("delay"), "loop": pixels.get("loop")} if animated and pixels.get_typeof("delay") else {}
    picture = Picture(pixels if is_plain(pixels) else convert(pixels), header.frames if animated else 1, **fields)
    if target is not None:
        picture = picture.scaled(*target, premultiplied=source.premultiplied, covered=source.covered(pixels))
    return _upright(picture.with_pixels(convert), header.orientation if chain.autorotate else 1)


def _keeps_profile(source: Source, chain: Chain, result: OutputFormat) -> bool:
    """True if the pixels stay in their own profile. Every output file must be able to hold it."""
    grey = source.pixels.interpretation in GREY
    holds = result.grey_profile and chain.alternative is None if grey else result.profile
    return holds and "icc" in chain.encoding.keep and chain.works_in_any_profile


def is_representative(header: Header, chain: Chain) -> bool:
    """True if the picture that `load` returns for this chain is upright, not tiny, and has the original's aspect ratio."""
    size = _first_size(header, chain)
    if size is None:
        same_shape = True
    else:
        same_shape = max(size) >= SMALL_SIDE and abs(size[0] * header.height - size[1] * header.width) <= max(
            header.width, header.height
        )
    return same_shape and not header.separate_still and (chain.autorotate or header.orientation == 1)


def small_copy(source: Source) -> Picture:
    """A small upright copy of the original, independent of the chain. Reads the file once more."""
    return load(source.reopened(), Chain((Thumbnail(SMALL_SIDE),)), FORMATS["png"]).in_memory()


def count_frames(path: Path, media_type: str) -> int:
    """The number of frames in a result file. libwebp merges equal neighbours into one frame with the sum of their delays."""
    source = SOURCES[media_type]
    return source.frames_of(source.open(path))


def _check_limits(source: Source, limits: RenderLimits) -> None:
    """Raises ImageTooLarge. Sides and frames are checked as stored, as at upload; pixels are those that will be decoded."""
    stored = source.dimensions
    if side := oversized_side(stored.width, stored.height, limits.max_width, limits.max_height):
        raise ImageTooLarge(f"The picture has {stored.width} x {stored.height} pixels; {side}.")
    if stored.frames > limits.max_frames:
        raise ImageTooLarge(f"The animation has {stored.frames} frames; the limit is {limits.max_frames}.")
    pixels = max(source.header.pixels, stored.width * stored.height)
    if pixels > limits.max_pixels:
        raise ImageTooLarge(f"The picture has {pixels} pixels, all frames together; the limit is {limits.max_pixels}.")


def _upright(picture: Picture, orientation: int) -> Picture:
    """The picture turned by its EXIF orientation. Only orientation 2 (mirrored) streams; the others need the last rows first."""
    if orientation <= 1:
        return picture
    ready = picture if orientation == 2 else picture.in_memory()
    return ready.each_frame(lambda frame: frame.autorot())


def _first_size(header: Header, chain: Chain) -> PixelSize | None:
    """The size, as stored, to which the chain scales first; None unless that makes the picture smaller."""
    swapped = chain.autorotate and header.orientation >= 5
    size = (header.height, header.width) if swapped else (header.width, header.height)
    wanted = chain.operations[0].target_size(*size) if chain.operations else None
    if wanted is None or wanted == size or wanted[0] > size[0] or wanted[1] > size[1]:
        return None
    return (wanted[1], wanted[0]) if swapped else wanted

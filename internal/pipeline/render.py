"""Load, operate, encode: the only place that decodes. It runs in the sandbox's children and nowhere else (G7).

1. the container is looked over without libvips (containers.py), 2. the header is checked against the limits, 3. the pixels are
decoded, already smaller where the chain begins by scaling, turned into 8 bit sRGB and held in memory, 4. operations, 5. encoding.
Whatever is wrong with the file has shown itself by the end of step 3, also in rows that a crop would never look at.
"""

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pyvips
from msgspec import Struct

from internal.errors import DecoderOutOfMemory, ImageTooLarge, InvalidImage, OutputTooLarge, UnsupportedMediaType
from internal.pipeline.chain import Chain
from internal.pipeline.containers import png_without_text, require_whole_gif, require_whole_tiff
from internal.pipeline.encode import encode
from internal.pipeline.formats import OutputFormat, output_format
from internal.pipeline.picture import Picture, Pixels
from internal.sandbox.port import Encoded, Facts, Rendered, RenderJob, RenderLimits

LOADERS = {
    "image/jpeg": "jpegload",
    "image/png": "pngload",
    "image/webp": "webpload",
    "image/gif": "gifload",
    "image/tiff": "tiffload",
}
"""The loader of each media type that we take, named here and never guessed by libvips."""
UNBLOCKED = ("VipsForeignLoadJpeg", "VipsForeignLoadPng", "VipsForeignLoadWebp", "VipsForeignLoadNsgif", "VipsForeignLoadTiff")
READING: dict[str, Any] = {"access": "sequential", "fail_on": "truncated"}


class Header(Struct, frozen=True):
    """What a file says of itself: the size of one frame as stored, in pixels, and how many there are."""

    width: int
    height: int
    frames: int
    orientation: int
    has_alpha: bool


def render(job: RenderJob, chain: Chain, scratch: Path) -> Rendered:
    """Do `job`, whose pipeline means `chain`; `scratch` is a folder for what lies between and is left as it was.

    Raises InvalidImage, ImageTooLarge, UnsupportedMediaType, InvalidProcessing, OutputTooLarge and DecoderOutOfMemory.
    """
    restrict_libvips()
    if job.media_type not in LOADERS:
        raise UnsupportedMediaType
    limits = job.limits
    wall, cpu = time.perf_counter(), time.process_time()
    with _errors_translated(), _readable(job.source, job.media_type, scratch) as path:
        opened = _load(path, job.media_type)
        header = _header(opened, job.media_type)
        _require_within(header, limits)
        result = output_format(chain.format, job.media_type, has_alpha=header.has_alpha)
        options = _load_options(job.media_type, header, chain, result)
        picture = _decoded(_load(path, job.media_type, **options) if options else opened, header, chain, result)
        for operation in chain.operations:
            picture = operation.apply(picture)
            _require_small(picture, limits)
        encode(picture, job.target, result, chain.quality)
    size = job.target.stat().st_size
    if size > limits.max_output_bytes:
        raise OutputTooLarge(f"The result has {size} bytes; at most {limits.max_output_bytes} are made.")
    with job.target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    encoded = Encoded(picture.width, picture.height, picture.frames, size, digest, result.media_type)
    facts = Facts(header.width, header.height, header.frames, header.has_alpha, "#000000", "") if job.want_facts else None
    return Rendered(encoded, None, facts, time.perf_counter() - wall, time.process_time() - cpu)


@cache
def restrict_libvips() -> None:
    """Leave the five loaders that we name and no other: blocking "untrusted" ones alone would still load text matrices.

    libvips' cache of operations is switched off: it would hold pictures of strangers.
    """
    pyvips.operation_block_set("VipsForeignLoad", True)
    for loader in UNBLOCKED:
        pyvips.operation_block_set(loader, False)
    pyvips.cache_set_max(0)


@contextmanager
def _readable(source: Path, media_type: str, scratch: Path) -> Iterator[Path]:
    """The path that libvips may read."""
    copy = scratch / "without-text.png"
    try:
        if media_type == "image/gif":
            require_whole_gif(source)
        if media_type == "image/tiff":
            require_whole_tiff(source)
        yield png_without_text(source, copy) if media_type == "image/png" else source
    finally:
        copy.unlink(missing_ok=True)


def _load(path: Path, media_type: str, **options: Any) -> Pixels:
    return getattr(pyvips.Image, LOADERS[media_type])(str(path), **READING, **options)


def _header(pixels: Pixels, media_type: str) -> Header:
    frames = int(pixels.get("n-pages")) if media_type in ("image/gif", "image/webp") and pixels.get_typeof("n-pages") else 1
    orientation = int(pixels.get("orientation")) if pixels.get_typeof("orientation") else 1
    return Header(pixels.width, pixels.height, frames, orientation, bool(pixels.hasalpha()))


def _require_within(header: Header, limits: RenderLimits) -> None:
    pixels = header.width * header.height * header.frames
    if header.width > limits.max_width or header.height > limits.max_height:
        raise ImageTooLarge(
            f"The picture is {header.width}x{header.height}; {limits.max_width}x{limits.max_height} pixels are the most."
        )
    if header.frames > limits.max_frames:
        raise ImageTooLarge(f"The animation has {header.frames} frames; {limits.max_frames} are the most.")
    if pixels > limits.max_pixels:
        raise ImageTooLarge(f"The picture has {pixels} pixels, all frames together; {limits.max_pixels} are the most.")


def _require_small(picture: Picture, limits: RenderLimits) -> None:
    if picture.width * picture.height * picture.frames > limits.max_output_pixels:
        raise OutputTooLarge(
            f"The result would be {picture.width}x{picture.height}; {limits.max_output_pixels} pixels are the most."
        )


def _decoded(pixels: Pixels, header: Header, chain: Chain, result: OutputFormat) -> Picture:
    """The picture upright, in 8 bit sRGB or grey, in memory; already scaled when the chain begins by making it smaller."""
    animated = header.frames > 1 and result.animation
    frames = header.frames if animated else 1
    notes = {"delays": pixels.get("delay"), "loop": pixels.get("loop")} if animated and pixels.get_typeof("delay") else {}
    picture = Picture(pixels if _is_plain(pixels) else _to_srgb(pixels), frames, **notes)
    if (smaller := _first_size(header, chain)) is not None:
        picture = picture.scaled(*smaller)
    picture = picture.with_pixels(_to_srgb).in_memory()
    upright = chain.autorotate and header.orientation > 1
    return picture.each_frame(lambda frame: frame.autorot()) if upright else picture


def _first_size(header: Header, chain: Chain) -> tuple[int, int] | None:
    """The size, as stored, that the chain scales to before anything else; None unless that makes the picture smaller."""
    lying = chain.autorotate and header.orientation >= 5
    size = (header.height, header.width) if lying else (header.width, header.height)
    wanted = chain.operations[0].scaled(*size) if chain.operations else None
    if wanted is None or wanted == size or wanted[0] > size[0] or wanted[1] > size[1]:
        return None
    return (wanted[1], wanted[0]) if lying else wanted


def _load_options(media_type: str, header: Header, chain: Chain, result: OutputFormat) -> dict[str, Any]:
    """All frames, or what can be left out. JPEG: from a ratio of 4 on the largest shrink above the target (DESIGN §10)."""
    if header.frames > 1 and result.animation:
        return {"n": -1}
    wanted = _first_size(header, chain)
    ratio = min(header.width / wanted[0], header.height / wanted[1]) if wanted else 1.0
    if media_type == "image/jpeg" and ratio >= 4:
        return {"shrink": 8 if ratio >= 8 else 4}
    if media_type == "image/webp" and ratio > 2 and header.frames == 1:
        return {"scale": 2 / ratio}
    return {}


def _is_plain(pixels: Pixels) -> bool:
    """Whether the pixels can be scaled as they are."""
    plain = pixels.interpretation in ("srgb", "rgb16", "b-w", "grey16", "cmyk")
    return plain and pixels.format in ("uchar", "ushort") and pixels.coding == "none"


def _to_srgb(pixels: Pixels) -> Pixels:
    """8 bit sRGB, or grey for what is grey, by the picture's own profile; a profile that can't be used is left out of account."""
    grey = pixels.interpretation in ("b-w", "grey16")
    bands = (1 if grey else 3) + int(pixels.hasalpha())
    profiled = bool(pixels.get_typeof("icc-profile-data"))
    if pixels.interpretation in ("srgb", "b-w") and pixels.format == "uchar" and pixels.bands == bands and not profiled:
        return pixels
    if profiled:
        try:
            pixels = pixels.icc_transform("srgb", embedded=True, depth=8)
        except pyvips.Error:
            pixels = pixels.copy()
            pixels.remove("icc-profile-data")
    converted = pixels.colourspace("b-w" if grey else "srgb")
    bands = (1 if grey else 3) + int(converted.hasalpha())
    converted = converted if converted.bands == bands else converted.extract_band(0, n=bands)
    return converted if converted.format == "uchar" else converted.cast("uchar")


@contextmanager
def _errors_translated() -> Iterator[None]:
    """libvips' errors become ours, once, and carry no path."""
    try:
        yield
    except pyvips.Error as error:
        message = f"{error.message} {error.detail}"
        if re.search(
            r"out of memory|unable to allocate|cannot allocate|failed to allocate|no space left", message, re.IGNORECASE
        ):
            raise DecoderOutOfMemory from error
        if re.search(r"file too large", message, re.IGNORECASE):
            raise OutputTooLarge from error
        raise InvalidImage(f"The picture can't be decoded: {_reason(message)}.") from error
    except MemoryError as error:
        raise DecoderOutOfMemory from error


def _reason(message: str) -> str:
    """libvips' last word on it, without names of ours."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    last = lines[-1] if lines else "unknown fault"
    words = [word for word in last.split(": ", 1)[-1].split() if "/" not in word]
    return " ".join(words)[:200].rstrip(".") or "unknown fault"

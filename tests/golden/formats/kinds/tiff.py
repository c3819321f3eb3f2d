"""TIFF."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pyvips

from tests import pictures
from tests.golden.formats.kind import Kind, greys
from tests.golden.formats.kinds import scenes
from tests.raws import RAWS
from tests.tiffs import SHORT, picture, written


def _tiff(
    name: str, image: Callable[[], pyvips.Image], shown: str = "as it is", *, options: dict[str, Any] | None = None, **right: Any
) -> Kind:
    def data() -> bytes:
        return bytes(image().tiffsave_buffer(**(options or {})))

    return Kind("TIFF", name, "image/tiff", data, shown, **right)


def _halves() -> pyvips.Image:
    """Black and white, grey."""
    return (pictures.scene()[1] > 127).copy(interpretation="b-w")


def _big_endian() -> bytes:
    return written(picture(64, 48), order=">", big=True)


def _pages() -> bytes:
    """Pages of different colours."""
    return written(picture(64, 48), picture(64, 48, pixel=b"\xff\0\0"), picture(64, 48, pixel=b"\0\0\xff"))


def _zstandard() -> bytes:
    return written(picture(64, 48, {259: (SHORT, (50000,))}))


def _raw(kind: str) -> Kind:
    """The error in a decoder. The upload refuses it too, unless its directories are far inside."""
    sentence = f"This is a camera raw file: {kind}. Develop it, and send the result."
    return Kind("TIFF", kind, "image/tiff", lambda: RAWS[kind], sentence, refused="unsupported_media_type")


KINDS = (
    _tiff("colour, 8 bit, strips", pictures.scene),
    *(
        _tiff(f"colour, 8 bit, {packed}", pictures.scene, options={"compression": packed, "Q": 95}, within=8)
        for packed in ("lzw", "deflate", "packbits", "jpeg")
    ),
    _tiff("colour, 8 bit, tiles", pictures.scene, options={"tile": True, "tile_width": 16, "tile_height": 16}),
    _tiff("colour, 16 bit", scenes.deep, "in 8 bit"),
    _tiff("colour and transparency", pictures.alpha_scene, colours=scenes.HALF_CLEAR, alpha=True),
    _tiff("grey, 8 bit", scenes.grey, colours=scenes.GREYS),
    _tiff("grey, 1 bit", _halves, options={"bitdepth": 1}, colours=greys(0, 255, 0, 255)),
    _tiff("grey, 1 bit, black is 1", _halves, options={"bitdepth": 1, "miniswhite": True}, colours=greys(0, 255, 0, 255)),
    _tiff("BigTIFF", pictures.scene, options={"bigtiff": True}),
    Kind("TIFF", "BigTIFF, big-endian", "image/tiff", _big_endian, "as it is", colours=greys(90, 90, 90, 90)),
    Kind("TIFF", "several pages", "image/tiff", _pages, "its first page; `frames` is 1", colours=greys(90, 90, 90, 90)),
    Kind(
        "TIFF",
        "compressed with Zstandard, LZMA, LERC, JPEG 2000, JPEG XL, PNG, …",
        "image/tiff",
        _zstandard,
        "The TIFF is compressed with Zstandard (Compression 50000), which can't be read. Save it with LZW or deflate.",
        refused="invalid_image",
    ),
    *(_raw(kind) for kind in ("Adobe DNG", "Nikon raw (NEF)", "Sony raw (ARW)", "Canon raw (CR2)", "Pentax raw (PEF)")),
    *(_tiff(f"orientation {turn}", partial(scenes.lying, turn), "upright") for turn in range(2, 9)),
    _tiff("colour with a profile", scenes.wide, "by its profile", options={"keep": "icc"}, profile=True),
    _tiff("CMYK without a profile", scenes.inks, "by libvips' own CMYK profile", options={"keep": "none"}, colours=scenes.INKS),
)

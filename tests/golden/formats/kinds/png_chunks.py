"""PNG with chunks for colours, range and frames."""

import struct
from collections.abc import Callable
from typing import Any

import pyvips

from tests import pictures
from tests.apngs import Drawn, apng
from tests.golden.formats.kind import SCENE, Kind, opaque
from tests.golden.formats.kinds import scenes
from tests.pictures import png_chunk, with_png_chunks


def _cicp(*code_points: int) -> bytes:
    return png_chunk(b"cICP", bytes(code_points))


LINEAR = png_chunk(b"gAMA", struct.pack(">I", 100_000))
P3_PRIMARIES = png_chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))


def _told(name: str, image: Callable[[], pyvips.Image], chunks: bytes, shown: str, **right: Any) -> Kind:
    def data() -> bytes:
        return with_png_chunks(bytes(image().pngsave_buffer(keep="none")), chunks)

    return Kind("PNG", name, "image/png", data, shown, **right)


def _light(image: pyvips.Image) -> pyvips.Image:
    """The scene in linear light, in 16 bits."""
    value = image / 255
    light = (value <= 0.04045).ifthenelse(value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    deep = (light * 65535).rint().cast("ushort")
    return deep.copy(interpretation="rgb16" if image.bands == 3 else "grey16")


def _narrow() -> pyvips.Image:
    return (pictures.scene() * (219 / 255) + 16).rint().cast("uchar").copy(interpretation="srgb")


def _deep_quarters(*colours: tuple[float, ...]) -> Callable[[], pyvips.Image]:
    """Values from 0 to 1, in 16 bits."""

    def image() -> pyvips.Image:
        parts = [
            pyvips.Image.black(32, 24, bands=3).linear(0, [round(value * 65535) for value in colour]).cast("ushort")
            for colour in colours
        ]
        return pyvips.Image.arrayjoin(parts, across=2).copy(interpretation="rgb16")

    return image


def _moving(*, apart: bool) -> Callable[[], bytes]:
    """The scene, and two frames that change parts of it."""
    part = pictures.scene(20, 20)
    frames = [Drawn(pictures.scene()), Drawn(part, 4, 4), Drawn(part, 30, 20)]
    return lambda: apng(frames, static=pictures.scene() if apart else None)


def _faulty() -> bytes:
    """An animation that declares more frames than it has."""
    return apng([Drawn(pictures.scene()), Drawn(pictures.scene(20, 20), 4, 4)], declared=3)


_BRIGHT = ((0.6, 0.3, 0.3), (0.3, 0.6, 0.3), (0.3, 0.3, 0.6))
KINDS = (
    _told("colour with a gamma of 1 (gAMA)", lambda: _light(pictures.scene()), LINEAR, "by its gamma", profile=True),
    _told("grey with a gamma of 1 (gAMA)", lambda: _light(scenes.grey()), LINEAR, "by its gamma", colours=scenes.GREYS),
    _told("colour with primaries (cHRM)", scenes.wide, P3_PRIMARIES, "by its primaries", profile=True),
    _told("Display P3 (cICP 12, 13)", scenes.wide, _cicp(12, 13, 0, 1), "by its code points", profile=True),
    _told("narrow range (cICP 1, 13)", _narrow, _cicp(1, 13, 0, 0), "in the full range"),
    _told(
        "PQ (cICP 9, 16)",
        _deep_quarters(*_BRIGHT, (0.58, 0.58, 0.58)),
        _cicp(9, 16, 0, 1),
        "tone-mapped to sRGB",
        colours=opaque((249, 0, 31), (0, 211, 0), (0, 38, 210), (187, 187, 187)),
    ),
    _told(
        "HLG (cICP 9, 18)",
        _deep_quarters(*_BRIGHT, (0.75, 0.75, 0.75)),
        _cicp(9, 18, 0, 1),
        "tone-mapped to sRGB",
        colours=opaque((141, 43, 56), (0, 129, 49), (47, 54, 117), (188, 188, 188)),
    ),
    Kind("PNG", "animation (APNG)", "image/png", _moving(apart=False), "its static picture", SCENE, frames=3),
    Kind("PNG", "animation with a fault in its chunks", "image/png", _faulty, "its static picture"),
    Kind("PNG", "animation with a static picture apart", "image/png", _moving(apart=True), "its static picture", SCENE, frames=3),
)

"""PNG files of one colour, with colour chunks."""

import struct
import zlib
from collections.abc import Sequence
from typing import TypeAlias

import pyvips

from internal.pipeline.containers.colour_space import PRIMARIES, SRGB_CURVE
from internal.pipeline.containers.icc_profile import icc_profile
from tests.pictures import png_chunk, with_png_chunks
from tests.unit.pipeline.conftest import Renderer

Colour: TypeAlias = tuple[float, ...]


SIDE = 24


COLOUR = (200, 80, 60)


IN_P3, FROM_ADOBE = (216, 69, 50), (0, 181, 42)


SRGB_CHRM = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


P3_CHRM = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


ADOBE_CHRM = (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)


SRGB = png_chunk(b"sRGB", b"\0")


def cicp(*code_points: int) -> bytes:
    return png_chunk(b"cICP", bytes(code_points))


def gama(value: int) -> bytes:
    return png_chunk(b"gAMA", struct.pack(">I", value))


def chrm(*values: int) -> bytes:
    return png_chunk(b"cHRM", struct.pack(">8I", *values))


def iccp(profile: bytes) -> bytes:
    return png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile))


P3_PROFILE = icc_profile(PRIMARIES[12], SRGB_CURVE)


LINEAR, P3 = gama(100_000), cicp(12, 13, 0, 1)


def plain(colour: Sequence[int], *chunks: bytes, deep: bool = False) -> bytes:
    """A PNG of one colour with these chunks after its header. The number of values selects grey or RGB and alpha."""
    image = pyvips.Image.black(SIDE, SIDE, bands=len(colour)).linear(0, list(colour)).cast("ushort" if deep else "uchar")
    grey = len(colour) < 3
    image = image.copy(interpretation=("grey16" if grey else "rgb16") if deep else "b-w" if grey else "srgb")
    return with_png_chunks(bytes(image.pngsave_buffer(keep="none")), *chunks)


def shown(rendered: Renderer, data: bytes, chain: str = "format:png") -> Colour:
    """The colour at the centre of the result, in sRGB by the result's own profile."""
    _, path = rendered(data, chain, "image/png")
    image = pyvips.Image.new_from_file(str(path))
    if image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", embedded=True, depth=8)
    return tuple(image.getpoint(image.width // 2, image.height // 2))


def sixteen(*values: float) -> list[int]:
    return [round(value * 65535) for value in values]


PQ, HLG = 16, 18

"""GIF: as few palettes and as few changed pixels as look the same.

libimagequant at libvips' usual effort of 7 takes five times as long as at 4, for frames that look alike. Dither makes noise of
flat areas, and another noise in each frame. So an animation is written without it, and pixels that hardly change between two
frames are left transparent in the second; frames of no more colours than a palette holds come out as they are but for that.
"""

from math import inf
from typing import Any

import pyvips

from internal.pipeline.vips.picture import Pixels
from internal.pipeline.vips.savers.flat_graphics import is_flat, sampled
from internal.pipeline.vips.savers.palette import MOST, Cells, indexed
from internal.pipeline.vips.savers.similarity import Limit, look_the_same

ONE_PALETTE = Limit(whole=1.5, part=8.0)
"""What a palette for all frames may change in one of them. With 255 colours of its own a photograph's frame differs by 2."""
FEWER_COLOURS = Limit(whole=1.0, part=10.0)
"""What palettes of half the size may change. At hard edges between many colours, 255 differ by 6."""
NEARLY_EXACT = 0.3
"""Difference of a palette from a picture's colours below which a larger palette is not tried."""
JUST_AS_SMALL = Limit(whole=2.0, part=20.0)
"""What may change where the file would otherwise be larger than the one that came: a GIF made smaller is to have fewer bytes."""
GROWTH = 1.1
_ALL_FRAMES = {"keep_duplicate_frames": True}
"""Frames and delays stay as they came: two frames that are equal are two."""
_UNDITHERED = {"dither": 0.0, "effort": 4, "interpalette_maxerror": 1.0}
_MOVING = {"interframe_maxerror": 4.0}
"""How far a pixel may be off, as a distance in RGB, before it is drawn again."""
_FRAME_SAMPLES = 1 << 14
_COLOUR_SAMPLES = 1 << 18
"""Of all frames: a small thing that moves is to be among them."""


def saved_gif(pixels: Pixels, frames: int, settings: dict[str, Any], colours: int | None, size: int | None) -> bytes:
    """The file's bytes. `colours`, `size`: of the GIF that it was made of; a tenth more bytes is the most that it is to have.

    Frames that have no more colours than they came with keep them all. Else one palette for all frames is
    tried, then palettes of half the size, then full ones: the first that looks the same, and better that is not too large.
    """
    settings = settings | _ALL_FRAMES
    if frames == 1:
        return _still_gif(pixels, settings)
    settings = settings | _UNDITHERED | _MOVING
    most = inf if size is None else size * GROWTH
    opaque = (pixels if pixels.bands > 2 else pixels.colourspace("srgb")).extract_band(0, n=3)
    first = opaque.crop(0, 0, pixels.width, pixels.height // frames)
    exact = _written(pixels, settings) if indexed(first, min(colours or MOST, MOST - 1)) else None
    if exact is not None and len(exact) <= most:
        return exact
    shared = _of_one_palette(pixels, frames, settings, Cells(opaque, sampled(opaque, _COLOUR_SAMPLES)), most)
    if shared is not None and len(shared) <= most:
        return shared
    fewer = _written(pixels, settings | {"bitdepth": 7})
    if len(fewer) <= most and _look_the_same(fewer, pixels, frames, FEWER_COLOURS):
        return fewer
    full = exact or _written(pixels, settings)
    best = full if shared is None or len(full) < len(shared) else shared
    if len(fewer) <= most < len(best) and _look_the_same(fewer, pixels, frames, JUST_AS_SMALL):
        return fewer
    return best


def _still_gif(pixels: Pixels, settings: dict[str, Any]) -> bytes:
    for bits in (4, 6) if is_flat(pixels) else ():
        data = _written(pixels, settings | _UNDITHERED | {"bitdepth": bits})
        if _look_the_same(data, pixels, 1, ONE_PALETTE):
            return data
    return _written(pixels, settings)


def _of_one_palette(pixels: Pixels, frames: int, settings: dict[str, Any], cells: Cells, most: float) -> bytes | None:
    """With one palette for all frames: as large as its colours need, or `most` bytes allow. None where none looks the same."""
    best = None
    for bits in (4, 5, 6, 8):
        palette, differs = _palette(cells, bits)
        if differs > ONE_PALETTE.whole:
            continue
        noted = pixels.copy()
        noted.set_type(pyvips.GValue.array_int_type, "gif-palette", palette)
        data = _written(noted, settings | {"reuse": True})
        if best is not None and len(data) > most:
            break
        if _look_the_same(data, pixels, frames, ONE_PALETTE):
            best = data
            if len(data) > most or differs <= NEARLY_EXACT:
                break
    return best


def _written(pixels: Pixels, settings: dict[str, Any]) -> bytes:
    return bytes(pixels.gifsave_buffer(**settings))


def _palette(cells: Cells, bits: int) -> tuple[list[int], float]:
    """A palette of `1 << bits` entries, one of them for transparency, and how far it is from the colours of the picture."""
    row = cells.row()
    with_clear = row.bandjoin(255).embed(0, 0, row.width + 1, 1)  # a transparent pixel, so that a place is kept for it
    drawn = pyvips.Image.gifload_buffer(with_clear.gifsave_buffer(bitdepth=bits, dither=0, keep="none")).copy_memory()
    _transparent, *palette = drawn.get("gif-palette")
    shown = drawn.crop(0, 0, row.width, 1).extract_band(0, n=3)
    return palette, float(row.colourspace("lab").dE00(shown.colourspace("lab")).avg())


def _look_the_same(data: bytes, pixels: Pixels, frames: int, limit: Limit) -> bool:
    """Whether every frame of a file looks like that of `pixels`."""
    made = pyvips.Image.gifload_buffer(data, n=-1).copy_memory()
    height = pixels.height // frames
    if (made.width, made.height) != (pixels.width, pixels.height):
        return False
    pairs = ([_still(roll.crop(0, height * frame, roll.width, height)) for roll in (pixels, made)] for frame in range(frames))
    return all(look_the_same(one, other, limit, _FRAME_SAMPLES) for one, other in pairs)


def _still(pixels: Pixels) -> Pixels:
    """Without what makes an animation of it."""
    still = pixels.copy()
    for name in ("page-height", "n-pages", "delay", "loop"):
        if still.get_typeof(name):
            still.remove(name)
    return still

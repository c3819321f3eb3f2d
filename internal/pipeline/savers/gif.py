"""GIF: as few palettes and as few changed pixels as look the same.

libimagequant at libvips' usual effort of 7 takes five times as long as at 4, for frames that look alike. Dither makes noise of
flat areas, and another noise in each frame. So an animation is written without it, and pixels that hardly change between two
frames are left transparent in the second; frames of no more colours than a palette holds come out as they are but for that.
"""

from typing import Any

import pyvips
from msgspec import Struct

from internal.pipeline.picture import Pixels
from internal.pipeline.savers.flatness import is_flat
from internal.pipeline.savers.likeness import Limit, look_the_same
from internal.pipeline.savers.palette import MOST, Cells, indexed

ONE_PALETTE = Limit(whole=1.5, part=6.0)
"""What a palette for all frames may change in one of them. With 255 colours of its own a photograph's frame differs by 2."""
FEWER_COLOURS = Limit(whole=1.0, part=10.0)
"""What palettes of half the size may change. At hard edges between many colours, 255 differ by 6."""
NEARLY_EXACT = Limit(whole=0.3, part=6.0)
"""What either may change where a frame has no more colours than its own palette could hold: as it came, that is."""
JUST_AS_SMALL = Limit(whole=2.0, part=20.0)
"""What may change where the file would otherwise be larger than the one that came: a GIF made smaller is to have fewer bytes."""
GROWTH = 1.1
_ALL_FRAMES = {"keep_duplicate_frames": True}
"""Frames and delays stay as they came: two frames that are equal are two."""
_UNDITHERED = {"dither": 0.0, "effort": 4, "interpalette_maxerror": 1.0}
_MOVING = {"interframe_maxerror": 4.0}
"""How far a pixel may be off, as a distance in RGB, before it is drawn again."""
_FRAME_SAMPLES = 1 << 14


def saved_gif(pixels: Pixels, frames: int, settings: dict[str, Any], stored_bytes: int | None) -> bytes:
    """The file's bytes: of the ways to write it, from the smallest file to the largest, the first whose frames look the same.

    `stored_bytes`: of the GIF that it was made of. Where the file has more than a tenth more, a smaller one may look a bit worse.
    """
    settings = settings | _ALL_FRAMES
    if frames == 1:
        return _still_gif(pixels, settings)
    colours = (pixels if pixels.bands > 2 else pixels.colourspace("srgb")).extract_band(0, n=3)
    animation = _Animation(pixels, frames, settings | _UNDITHERED | _MOVING, Cells(colours))
    few = indexed(colours.crop(0, 0, pixels.width, pixels.height // frames), MOST - 1) is not None
    one, own = (NEARLY_EXACT, NEARLY_EXACT) if few else (ONE_PALETTE, FEWER_COLOURS)
    likely = (data for bits in (3, 4, 5, 6, 8) if (data := animation.of_one_palette(bits, one)))
    best = next(likely, None) or animation.of_own_palettes(7, own) or _written(pixels, animation.settings)
    most = len(best) if stored_bytes is None else stored_bytes * GROWTH
    if len(best) <= most:
        return best
    smaller = (animation.of_one_palette(bits, JUST_AS_SMALL, most) for bits in (6, 5, 4, 3))
    return animation.of_own_palettes(7, JUST_AS_SMALL, most) or next(filter(None, smaller), best)


def _still_gif(pixels: Pixels, settings: dict[str, Any]) -> bytes:
    for bits in (4, 6) if is_flat(pixels) else ():
        data = _written(pixels, settings | _UNDITHERED | {"bitdepth": bits})
        if _look_the_same(data, pixels, 1, ONE_PALETTE):
            return data
    return _written(pixels, settings)


class _Animation(Struct, frozen=True):
    """What is to be written, and the ways to do it: each gives None when frames look different, or for too many bytes."""

    pixels: Pixels
    frames: int
    settings: dict[str, Any]
    cells: Cells

    def of_own_palettes(self, bits: int, limit: Limit, most: float | None = None) -> bytes | None:
        """With a palette of `1 << bits` entries for each frame, unless that of the frame before will do."""
        return self._taken(_written(self.pixels, self.settings | {"bitdepth": bits}), limit, most)

    def of_one_palette(self, bits: int, limit: Limit, most: float | None = None) -> bytes | None:
        """With one palette of `1 << bits` entries for all frames. Not tried when it is too far from the picture's colours."""
        palette, differs = _palette(self.cells, bits)
        if differs > limit.whole:
            return None
        noted = self.pixels.copy()
        noted.set_type(pyvips.GValue.array_int_type, "gif-palette", palette)
        return self._taken(_written(noted, self.settings | {"reuse": True}), limit, most)

    def _taken(self, data: bytes, limit: Limit, most: float | None) -> bytes | None:
        fits = most is None or len(data) <= most
        return data if fits and _look_the_same(data, self.pixels, self.frames, limit) else None


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

"""GIF saver: uses as few palettes and changed pixels as possible while the result looks the same.

libimagequant at libvips' default effort of 7 takes five times as long as at 4, for frames that look alike. Dither adds noise to
flat areas, different in each frame. So animations are saved without it, and pixels that hardly change between two frames are
transparent in the second. Frames with no more colours than a palette holds keep them exactly, apart from that.
"""

from math import inf
from typing import Any

import pyvips

from internal.pipeline.vips.pixels import Pixels
from internal.pipeline.vips.savers.flat_graphics import is_flat, sample_colours
from internal.pipeline.vips.savers.palette import MOST, ColourCells, index_colours
from internal.pipeline.vips.savers.similarity import Tolerance, are_similar

ONE_PALETTE = Tolerance(whole=1.5, part=8.0)
"""Tolerance for one palette shared by all frames. A photograph's frame with its own 255 colours differs by 2."""
FEWER_COLOURS = Tolerance(whole=1.0, part=10.0)
"""Tolerance for palettes of half the size. At hard edges between many colours, 255 colours differ by 6."""
NEARLY_EXACT = 0.3
"""Below this difference of a palette from the picture's colours, no larger palette is tried."""
JUST_AS_SMALL = Tolerance(whole=2.0, part=20.0)
"""Tolerance if the file would otherwise be larger than the original: a smaller GIF must have fewer bytes."""
GROWTH = 1.1
_ALL_FRAMES = {"keep_duplicate_frames": True}
"""Equal neighbours stay separate frames, so that frames and delays are those of the original."""
_UNDITHERED = {"dither": 0.0, "effort": 4, "interpalette_maxerror": 1.0}
_MOVING = {"interframe_maxerror": 4.0}
"""RGB distance up to which a pixel counts as unchanged between frames."""
_FRAME_SAMPLES = 1 << 14
_COLOUR_SAMPLES = 1 << 18
"""Pixels over all frames, enough to include small moving objects."""


def save_gif(pixels: Pixels, frames: int, settings: dict[str, Any], colours: int | None, size: int | None) -> bytes:
    """The encoded GIF. `colours` and `size` are those of the original GIF; the result should have at most a tenth more bytes.

    Frames with no more colours than the original keep them all. Else it tries one palette for all frames, then palettes of half
    the size, then full ones, and takes the first that looks the same and is small enough.
    """
    settings = settings | _ALL_FRAMES
    if frames == 1:
        return _still_gif(pixels, settings)
    settings = settings | _UNDITHERED | _MOVING
    most = inf if size is None else size * GROWTH
    opaque = (pixels if pixels.bands > 2 else pixels.colourspace("srgb")).extract_band(0, n=3)
    first = opaque.crop(0, 0, pixels.width, pixels.height // frames)
    exact = _encode(pixels, settings) if index_colours(first, min(colours or MOST, MOST - 1)) else None
    if exact is not None and len(exact) <= most:
        return exact
    shared = _with_one_palette(pixels, frames, settings, ColourCells(opaque, sample_colours(opaque, _COLOUR_SAMPLES)), most)
    if shared is not None and len(shared) <= most:
        return shared
    fewer = _encode(pixels, settings | {"bitdepth": 7})
    if len(fewer) <= most and _frames_are_similar(fewer, pixels, frames, FEWER_COLOURS):
        return fewer
    full = exact or _encode(pixels, settings)
    best = full if shared is None or len(full) < len(shared) else shared
    if len(fewer) <= most < len(best) and _frames_are_similar(fewer, pixels, frames, JUST_AS_SMALL):
        return fewer
    return best


def _still_gif(pixels: Pixels, settings: dict[str, Any]) -> bytes:
    for bits in (4, 6) if is_flat(pixels) else ():
        data = _encode(pixels, settings | _UNDITHERED | {"bitdepth": bits})
        if _frames_are_similar(data, pixels, 1, ONE_PALETTE):
            return data
    return _encode(pixels, settings)


def _with_one_palette(pixels: Pixels, frames: int, settings: dict[str, Any], cells: ColourCells, most: float) -> bytes | None:
    """The GIF with one palette for all frames, as large as its colours need or `most` bytes allow; None if none is similar."""
    best = None
    for bits in (4, 5, 6, 8):
        palette, difference = _palette(cells, bits)
        if difference > ONE_PALETTE.whole:
            continue
        tagged = pixels.copy()
        tagged.set_type(pyvips.GValue.array_int_type, "gif-palette", palette)
        data = _encode(tagged, settings | {"reuse": True})
        if best is not None and len(data) > most:
            break
        if _frames_are_similar(data, pixels, frames, ONE_PALETTE):
            best = data
            if len(data) > most or difference <= NEARLY_EXACT:
                break
    return best


def _encode(pixels: Pixels, settings: dict[str, Any]) -> bytes:
    return bytes(pixels.gifsave_buffer(**settings))


def _palette(cells: ColourCells, bits: int) -> tuple[list[int], float]:
    """A palette of `1 << bits` entries, one of them transparent, and its mean difference from the picture's colours."""
    row = cells.row()
    with_clear = row.bandjoin(255).embed(0, 0, row.width + 1, 1)  # a transparent pixel reserves an entry
    drawn = pyvips.Image.gifload_buffer(with_clear.gifsave_buffer(bitdepth=bits, dither=0, keep="none")).copy_memory()
    _transparent, *palette = drawn.get("gif-palette")
    shown = drawn.crop(0, 0, row.width, 1).extract_band(0, n=3)
    return palette, float(row.colourspace("lab").dE00(shown.colourspace("lab")).avg())


def _frames_are_similar(data: bytes, pixels: Pixels, frames: int, tolerance: Tolerance) -> bool:
    """True if every frame of the encoded file looks like that of `pixels`."""
    decoded = pyvips.Image.gifload_buffer(data, n=-1).copy_memory()
    height = pixels.height // frames
    if (decoded.width, decoded.height) != (pixels.width, pixels.height):
        return False
    pairs = ([_still(roll.crop(0, height * frame, roll.width, height)) for roll in (pixels, decoded)] for frame in range(frames))
    return all(are_similar(one, other, tolerance, _FRAME_SAMPLES) for one, other in pairs)


def _still(pixels: Pixels) -> Pixels:
    """The pixels without the libvips fields of an animation."""
    still = pixels.copy()
    for name in ("page-height", "n-pages", "delay", "loop"):
        if still.get_typeof(name):
            still.remove(name)
    return still

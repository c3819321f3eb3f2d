"""PNG of few colours: with a palette, or in grey of few bits, in place of 24 bits a pixel.

A picture of at most 256 colours is written with a palette exactly as it is. One that was stored so, and has more colours only
because it was scaled, turned or blurred, gets a palette again as long as that looks the same. libimagequant, which libvips' own
`palette` asks, would look at every pixel again and again: it takes as long as all the rest, several times.
"""

from typing import Any

import pyvips

from internal.pipeline.containers.png_chunks import SIGNATURE, png_chunk
from internal.pipeline.vips.picture import Pixels
from internal.pipeline.vips.savers.flat_graphics import sampled
from internal.pipeline.vips.savers.palette import MOST, Cells, Indexed, Seen, in_palette, indexed, shows_too_little
from internal.pipeline.vips.savers.similarity import Limit, look_the_same

LIMIT = Limit(whole=1.0, part=8.0)
"""What a palette may change after the picture was changed anyway."""
_FEW_CELLS = 256
"""Above so many kinds of colour a palette of 16 entries is not tried."""
_SAMPLES = 1 << 13
"""Pixels of the grid that shows which colours there are, and that is compared."""
_TINY = 64 * 64
"""Pixels below which a palette's own bytes may outweigh what it saves."""
_HEADER = len(SIGNATURE) + 8
"""Where the contents of IHDR begin."""
_COLOUR_TYPE = _HEADER + 9
_PALETTE = 3


def saved_png(pixels: Pixels, settings: dict[str, Any], stored_colours: int | None, palette: tuple[bytes, ...] = ()) -> bytes:
    """The file's bytes. `settings` are pngsave's.

    `stored_colours`: how many colours the picture could hold as it came. Where it has more now, it was changed anyway, and a
    palette that looks the same will do. None: it must be exact. `palette`: as in Header.
    """
    few = _grey(pixels, settings, stored_colours) if pixels.bands == 1 else _coloured(pixels, settings, stored_colours, palette)
    if few is None or pixels.width * pixels.height <= _TINY:
        plain = bytes(pixels.pngsave_buffer(**settings))
        return plain if few is None or len(plain) <= len(few) else few
    return few


def _grey(pixels: Pixels, settings: dict[str, Any], stored_colours: int | None) -> bytes | None:
    """In the fewest bits that hold its greys; None when it needs all 8."""
    there = bytes((pixels.hist_find() > 0).write_to_memory())
    greys = [grey for grey, seen in enumerate(there) if seen]
    for bits in (1, 2, 4):
        if all(grey % (255 // ((1 << bits) - 1)) == 0 for grey in greys):
            return bytes(pixels.pngsave_buffer(**settings, bitdepth=bits))
    if stored_colours is not None and len(greys) > stored_colours:
        coarse = _through(pixels, [(grey + 8) // 17 * 17 for grey in range(256)])
        if look_the_same(pixels, coarse, LIMIT, _SAMPLES):
            return bytes(coarse.pngsave_buffer(**settings, bitdepth=4))
    if stored_colours is None or len(greys) > 16 or "icc" in settings["keep"]:  # a palette's profile is one of colours
        return None
    ranks = {grey: rank for rank, grey in enumerate(greys)}
    index = _through(pixels, [ranks.get(grey, 0) for grey in range(256)])
    return _with_palette(Indexed(index, [(grey, grey, grey) for grey in greys]), pixels, settings)


def _coloured(pixels: Pixels, settings: dict[str, Any], stored_colours: int | None, palette: tuple[bytes, ...]) -> bytes | None:
    """With a palette; None when it has too many colours for one."""
    if pixels.bands == 2:
        if stored_colours is None or "icc" in settings["keep"]:
            return None
        pixels = pixels.colourspace("srgb").copy_memory()
    seen = sampled(pixels, _SAMPLES)
    made = _exact(pixels, seen, stored_colours, [colour[: pixels.bands] for colour in palette])
    if made is None and stored_colours is not None:
        made = _reduced(pixels, seen) or (indexed(pixels, seen=seen) if stored_colours < MOST and len(seen) <= MOST else None)
    return None if made is None else _with_palette(made, pixels, settings)


def _exact(pixels: Pixels, seen: Seen, stored_colours: int | None, palette: list[bytes]) -> Indexed | None:
    """With exactly its colours, where these are no more than could be stored. `seen` tells when `palette` lacks some."""
    if palette and seen.keys() <= {*palette}:
        made = in_palette(pixels, palette)
        if made is not None:
            return made
    elif palette and stored_colours is not None and shows_too_little(pixels, seen):
        return None
    most = stored_colours or MOST
    return indexed(pixels, most, seen) if len(seen) <= most else None


def _reduced(pixels: Pixels, seen: Seen) -> Indexed | None:
    """In so few colours that it takes 4 or 8 bits a pixel, and still looks the same; None where that can't be."""
    cells = Cells(pixels, seen)
    for bits in (4, 8) if len(cells) <= _FEW_CELLS else (8,):
        made = cells.reduced(bits)
        if look_the_same(pixels, made.shown(), LIMIT, _SAMPLES):
            return made
    return None


def _with_palette(made: Indexed, pixels: Pixels, settings: dict[str, Any]) -> bytes:
    """The file: its numbers are written as grey of as many bits, which is the same stream, and told to be a palette's.

    What is kept of profile and EXIF goes with a colour picture only, so that it comes out of one.
    """
    bits, alpha = made.bits, [colour[3] for colour in made.colours if len(colour) > 3]
    spread = 255 // ((1 << bits) - 1)
    numbers = _through(made.index, [number * spread & 0xFF for number in range(256)]) if bits < 8 else made.index
    numbers = numbers.copy(xres=pixels.xres, yres=pixels.yres)
    bare = bytes(numbers.pngsave_buffer(**{**settings, "keep": "none"}, bitdepth=bits))
    data = bare.index(b"IDAT", _COLOUR_TYPE) - 4
    header = bare[_HEADER:_COLOUR_TYPE] + bytes([_PALETTE]) + bare[_COLOUR_TYPE + 1 : _COLOUR_TYPE + 4]
    palette = bytes(value for colour in made.colours for value in colour[:3])
    return b"".join(
        (
            SIGNATURE,
            png_chunk(b"IHDR", header),
            bare[_COLOUR_TYPE + 8 : data] if settings["keep"] == "none" else _kept_chunks(pixels, settings),
            png_chunk(b"PLTE", palette),
            png_chunk(b"tRNS", bytes(alpha)) if alpha else b"",
            bare[data:],
        )
    )


def _kept_chunks(pixels: Pixels, settings: dict[str, Any]) -> bytes:
    """All that stands between the header and the pixels of a PNG of `pixels`."""
    one = bytes(pixels.crop(0, 0, 1, 1).pngsave_buffer(**settings))
    return one[_COLOUR_TYPE + 8 : one.index(b"IDAT", _COLOUR_TYPE) - 4]


def _through(pixels: Pixels, table: list[int]) -> Pixels:
    return pixels.maplut(pyvips.Image.new_from_memory(bytes(table), 256, 1, 1, "uchar")).copy(interpretation="b-w")

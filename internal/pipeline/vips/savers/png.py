"""PNG saver: writes pictures of few colours with a palette, or as grey of few bits, instead of 24 bits per pixel.

A picture with at most 256 colours is written losslessly with a palette. One that had a palette, and has more colours only because
it was scaled, rotated or blurred, gets a palette again if that looks the same. libvips' own option `palette` uses libimagequant
on every pixel, which takes several times as long as everything else.
"""

from typing import Any

import pyvips

from internal.pipeline.containers.png_chunks import SIGNATURE, png_chunk
from internal.pipeline.vips.pixels import Pixels
from internal.pipeline.vips.savers.flat_graphics import sample_colours
from internal.pipeline.vips.savers.palette import (
    MOST,
    ColourCells,
    ColourCounts,
    IndexedImage,
    index_by_palette,
    index_colours,
    is_sample_too_coarse,
)
from internal.pipeline.vips.savers.similarity import Tolerance, are_similar

TOLERANCE = Tolerance(whole=1.0, part=8.0)
"""Tolerance for a palette, after operations have changed the picture."""
_FEW_CELLS = 256
"""Above this number of cells a palette of 16 entries is not tried."""
_SAMPLES = 1 << 13
"""Pixels of the grid on which colours are counted and compared."""
_SMALL_AREA = 64 * 64
"""Pixels below which a palette's own bytes may outweigh what it saves."""
_HEADER = len(SIGNATURE) + 8
"""Start of the content of IHDR."""
_COLOUR_TYPE = _HEADER + 9
_PALETTE = 3


def save_png(pixels: Pixels, settings: dict[str, Any], palette_size: int | None, palette: tuple[bytes, ...] = ()) -> bytes:
    """The encoded PNG. `settings` are options of pngsave.

    `palette_size`: the number of colours that the original could hold. If the picture has more now, operations have changed it,
    and a palette that looks the same is good enough. None: the result must be exact. `palette`: as in Header.
    """
    few = _grey(pixels, settings, palette_size) if pixels.bands == 1 else _colour(pixels, settings, palette_size, palette)
    if few is None or pixels.width * pixels.height <= _SMALL_AREA:
        plain = bytes(pixels.pngsave_buffer(**settings))
        return plain if few is None or len(plain) <= len(few) else few
    return few


def _grey(pixels: Pixels, settings: dict[str, Any], palette_size: int | None) -> bytes | None:
    """The PNG in the fewest bits that hold its greys; None if it needs all 8."""
    there = bytes((pixels.hist_find() > 0).write_to_memory())
    greys = [grey for grey, seen in enumerate(there) if seen]
    for bits in (1, 2, 4):
        if all(grey % (255 // ((1 << bits) - 1)) == 0 for grey in greys):
            return bytes(pixels.pngsave_buffer(**settings, bitdepth=bits))
    if palette_size is not None and len(greys) > palette_size:
        coarse = _lookup(pixels, [(grey + 8) // 17 * 17 for grey in range(256)])
        if are_similar(pixels, coarse, TOLERANCE, _SAMPLES):
            return bytes(coarse.pngsave_buffer(**settings, bitdepth=4))
    if palette_size is None or len(greys) > 16 or "icc" in settings["keep"]:  # a palette needs an RGB profile
        return None
    ranks = {grey: rank for rank, grey in enumerate(greys)}
    index = _lookup(pixels, [ranks.get(grey, 0) for grey in range(256)])
    return _with_palette(IndexedImage(index, [(grey, grey, grey) for grey in greys]), pixels, settings)


def _colour(pixels: Pixels, settings: dict[str, Any], palette_size: int | None, palette: tuple[bytes, ...]) -> bytes | None:
    """The PNG with a palette; None if it has too many colours."""
    if pixels.bands == 2:
        if palette_size is None or "icc" in settings["keep"]:
            return None
        pixels = pixels.colourspace("srgb").copy_memory()
    seen = sample_colours(pixels, _SAMPLES)
    image = _exact(pixels, seen, palette_size, [colour[: pixels.bands] for colour in palette])
    if image is None and palette_size is not None:
        image = _reduced(pixels, seen) or (
            index_colours(pixels, seen=seen) if palette_size < MOST and len(seen) <= MOST else None
        )
    return None if image is None else _with_palette(image, pixels, settings)


def _exact(pixels: Pixels, seen: ColourCounts, palette_size: int | None, palette: list[bytes]) -> IndexedImage | None:
    """The picture with exactly its colours, if they are no more than the original could hold.

    `seen` tells early if `palette` lacks some.
    """
    if palette and seen.keys() <= {*palette}:
        image = index_by_palette(pixels, palette)
        if image is not None:
            return image
    elif palette and palette_size is not None and is_sample_too_coarse(pixels, seen):
        return None
    most = palette_size or MOST
    return index_colours(pixels, most, seen) if len(seen) <= most else None


def _reduced(pixels: Pixels, seen: ColourCounts) -> IndexedImage | None:
    """The picture with a smaller palette, 4 or 8 bits per pixel, that looks the same; None if there is none."""
    cells = ColourCells(pixels, seen)
    for bits in (4, 8) if len(cells) <= _FEW_CELLS else (8,):
        image = cells.reduced(bits)
        if are_similar(pixels, image.shown(), TOLERANCE, _SAMPLES):
            return image
    return None


def _with_palette(image: IndexedImage, pixels: Pixels, settings: dict[str, Any]) -> bytes:
    """The PNG file. libvips writes the indexes as grey of as many bits, and the header is changed to say that they are indexes.

    libvips writes profile and EXIF only with a colour picture, so those chunks are taken from one.
    """
    bits, alpha = image.bits, [colour[3] for colour in image.colours if len(colour) > 3]
    spread = 255 // ((1 << bits) - 1)
    numbers = _lookup(image.index, [number * spread & 0xFF for number in range(256)]) if bits < 8 else image.index
    numbers = numbers.copy(xres=pixels.xres, yres=pixels.yres)
    bare = bytes(numbers.pngsave_buffer(**{**settings, "keep": "none"}, bitdepth=bits))
    data = bare.index(b"IDAT", _COLOUR_TYPE) - 4
    header = bare[_HEADER:_COLOUR_TYPE] + bytes([_PALETTE]) + bare[_COLOUR_TYPE + 1 : _COLOUR_TYPE + 4]
    palette = bytes(value for colour in image.colours for value in colour[:3])
    return b"".join(
        (
            SIGNATURE,
            png_chunk(b"IHDR", header),
            bare[_COLOUR_TYPE + 8 : data] if settings["keep"] == "none" else _metadata_chunks(pixels, settings),
            png_chunk(b"PLTE", palette),
            png_chunk(b"tRNS", bytes(alpha)) if alpha else b"",
            bare[data:],
        )
    )


def _metadata_chunks(pixels: Pixels, settings: dict[str, Any]) -> bytes:
    """The chunks between the header and the pixel data of a PNG of `pixels`."""
    one = bytes(pixels.crop(0, 0, 1, 1).pngsave_buffer(**settings))
    return one[_COLOUR_TYPE + 8 : one.index(b"IDAT", _COLOUR_TYPE) - 4]


def _lookup(pixels: Pixels, table: list[int]) -> Pixels:
    return pixels.maplut(pyvips.Image.new_from_memory(bytes(table), 256, 1, 1, "uchar")).copy(interpretation="b-w")

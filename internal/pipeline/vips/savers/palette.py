"""Indexed images: a palette and one index per pixel, either exact or with fewer colours than the picture has.

libvips does the work per pixel and Python only that per colour: some nanoseconds per pixel. Pixels are uchar with 3 bands (sRGB)
or 4 (with alpha). They are read several times and should be in memory.
"""

import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterable
from functools import cache
from itertools import compress
from typing import Any, TypeAlias

import pyvips
from msgspec import Struct

from internal.pipeline.vips.pixels import Pixels
from internal.pipeline.vips.savers.flat_graphics import estimate_unseen, sample_colours

ColourCounts: TypeAlias = Counter[bytes]
Colours: TypeAlias = dict[int, tuple[int, ...]]
"""The colour of each cell."""
MOST = 256
"""Size of a palette of 8 bits."""
_HASH_FACTORS = (16, 0x9E37, 0x85EB, 0xC2B3)
"""Factors that hash a value to 16 bits, tried in order. With 16 no two greys share a cell; other colours may."""
_LEADING_BITS = {3: (5, 5, 4), 4: (4, 4, 4, 4)}
"""Leading bits of each band that form a cell when many colours are counted, by the number of bands."""
_NONE = 255
"""Index of a cell with unknown colour."""
_UNKNOWN = re.compile(bytes([_NONE]))
_MAX_LOOKUPS = 1 << 10
"""Pixels with colours outside the sample: if there are more, libvips counts all colours."""
_ROW = 1 << 14
"""Pixels that represent a picture when its palette is chosen, besides one for each colour."""


class IndexedImage(Struct, frozen=True):
    """An indexed image. `index` is one uchar band with the palette index of each pixel; `colours` is the palette."""

    index: Pixels
    colours: list[tuple[int, ...]]

    @property
    def bits(self) -> int:
        """Bits per index in a PNG: 1, 2, 4 or 8."""
        return next(bits for bits in (1, 2, 4, 8) if len(self.colours) <= 1 << bits)

    def with_used_colours(self, used: list[int]) -> "IndexedImage":
        """The image with only the palette entries at the indexes `used`, which must contain all that occur."""
        if len(used) == len(self.colours):
            return self
        table = bytearray(MOST)
        for rank, number in enumerate(used):
            table[number] = rank
        return IndexedImage(_lookup(self.index, table).copy_memory(), [self.colours[number] for number in used])

    def shown(self, first: int = 0) -> Pixels:
        """The picture in its colours, or only their bands from `first` on."""
        palette = bytes(value for colour in self.colours for value in colour[first:])
        lut = pyvips.Image.new_from_memory(palette, len(self.colours), 1, len(self.colours[0]) - first, "uchar")
        return self.index.maplut(lut).copy(interpretation="srgb")


def index_by_palette(pixels: Pixels, palette: Collection[bytes]) -> IndexedImage | None:
    """The exact picture with the colours of `palette` that it uses, in that order; None if it has others.

    INVARIANT: no pixel changes its colour
    (tests/unit/pipeline/vips/test_known_palette.py::test_a_colour_that_the_palette_lacks_is_seen). A palette of MOST entries
    leaves no index for unknown colours: then all bands are compared, else only blue and alpha (see `index_colours`).
    """
    known = [*dict.fromkeys(palette)]
    for factor in _HASH_FACTORS:
        cells = [_cell(colour, factor) for colour in known]
        if len({*cells}) == len(known) <= MOST:
            index = _index_of_cells(_cells_of(pixels, _spread(pixels.bands, factor)), cells).copy_memory()
            used = _non_empty_bins(index.hist_find())
            image, first = IndexedImage(index, [tuple(colour) for colour in known]), 0 if len(known) == MOST else 2
            if used[-1] >= len(known) or (image.shown(first) != pixels.extract_band(first, n=pixels.bands - first)).max():
                return None
            return image.with_used_colours(used)
    return None


def is_sample_too_coarse(pixels: Pixels, seen: ColourCounts) -> bool:
    """True if too many pixels probably have colours outside the sample `seen` to look them up one by one."""
    return estimate_unseen(pixels, seen) > _MAX_LOOKUPS


def index_colours(pixels: Pixels, most: int = MOST, seen: ColourCounts | None = None) -> IndexedImage | None:
    """The exact picture; None if it has more than `most` colours. `seen`: `sample_colours(pixels)`, if it is known already.

    INVARIANT: no pixel changes its colour
    (tests/unit/pipeline/vips/test_flat_graphics.py::test_rare_colours_that_fall_into_one_cell_are_told_apart).
    A pixel's cell is a hash: red and green, XOR blue (and alpha) spread over 16 bits. Cell, blue and alpha together give red and
    green. So if the palette reproduces blue and alpha of every pixel, each cell holds one known colour. The colours come from the
    sample and from the pixels whose cell is not in it; only if these are many, all pixels are counted.
    """
    seen = sample_colours(pixels) if seen is None else seen
    if len(seen) > most:
        return None
    rest = pixels.extract_band(2, n=pixels.bands - 2)
    for factor in _HASH_FACTORS:
        colours: Colours = dict(sorted((_cell(colour, factor), tuple(colour)) for colour in seen))
        if len(colours) < len(seen):
            continue
        cells = _cells_of(pixels, _spread(pixels.bands, factor))
        numbers = _index_of_cells(cells, colours).write_to_memory()
        hopeless = len(colours) == MOST or is_sample_too_coarse(pixels, seen)
        if hopeless or not _add_missing(colours, numbers, pixels, factor, most):
            cells = cells.copy_memory()
            colours = _count_cells(cells, rest, factor)
            numbers = _index_of_cells(cells, colours).write_to_memory() if len(colours) <= most else b""
        if len(colours) > most:
            return None
        index = pyvips.Image.new_from_memory(numbers, pixels.width, pixels.height, 1, "uchar")
        image = IndexedImage(index.copy(interpretation="b-w"), [*colours.values()])
        if (image.shown(first=2) != rest).max() == 0:
            return image
    return None


def _add_missing(colours: Colours, numbers: Any, pixels: Pixels, factor: int, most: int) -> bool:
    """Index the pixels with colours outside the sample and add these to `colours`; stops at `most` + 1.

    `numbers` has one byte per pixel. False if there are too many such pixels, or two of these colours share a cell.
    """
    region, width, ranks = pyvips.Region.new(pixels), pixels.width, dict[bytes, int]()
    for many, match in enumerate(_UNKNOWN.finditer(numbers)):
        if many >= _MAX_LOOKUPS:
            return False
        y, x = divmod(match.start(), width)
        colour = bytes(region.fetch(x, y, 1, 1))
        if colour not in ranks:
            ranks[colour] = len(colours)
            if colours.setdefault(_cell(colour, factor), tuple(colour)) != tuple(colour):
                return False
            if len(colours) > most:
                return True
        numbers[match.start()] = bytes([ranks[colour]])
    return True


def _count_cells(cells: Pixels, rest: Pixels, factor: int) -> Colours:
    """One colour of each cell."""
    highest, wide = _bytes(rest.hist_find_indexed(cells, combine="max")), rest.bands
    return {cell: _colour(cell, highest[cell * wide : (cell + 1) * wide], factor) for cell in _non_empty_bins(cells.hist_find())}


class ColourCells:
    """Histogram of a picture's colours in cells of equal leading bits.

    A cell's colour is the most frequent one of the sample in it, else its centre, so that flat areas keep their colour.
    """

    def __init__(self, pixels: Pixels, seen: ColourCounts) -> None:
        """`seen`: `sample_colours(pixels)`."""
        self._cells, self._bands = _cells_of(pixels, _leading(pixels.bands)).copy_memory(), pixels.bands
        counted, size, wide = self._cells.hist_find(), pixels.width * pixels.height, pixels.bands
        counts = memoryview(bytes(counted.write_to_memory())).cast("I")
        self._occupied, colours = _non_empty_bins(counted), bytearray(_centres(wide))
        for colour, _ in reversed(seen.most_common(MOST)):
            cell = sum(value >> 8 - bits << place for value, (bits, place) in zip(colour, _bit_positions(wide), strict=True))
            colours[cell * wide : (cell + 1) * wide] = colour
        self._colours = [colours[cell * wide : (cell + 1) * wide] for cell in self._occupied]
        self._shares = {place: share for place, cell in enumerate(self._occupied) if (share := counts[cell] * _ROW // size)}

    def __len__(self) -> int:
        return len(self._occupied)

    def row(self) -> Pixels:
        """A row of pixels that represents the picture: at least one for each cell, and more for frequent cells."""
        pixels = b"".join([*self._colours, *(self._colours[place] * share for place, share in self._shares.items())])
        row = pyvips.Image.new_from_memory(pixels, len(pixels) // self._bands, 1, self._bands, "uchar")
        return row.copy(interpretation="srgb")

    def reduced(self, bits: int) -> IndexedImage:
        """The picture in at most `1 << bits` colours (4 or 8 bits), without dither.

        libimagequant computes the palette from the row. Each entry then takes the colour of its most frequent cell, so that flat
        areas keep theirs.
        """
        data = self.row().pngsave_buffer(palette=True, bitdepth=bits, dither=0, effort=3, compression=0, keep="none")
        decoded = pyvips.Image.pngload_buffer(data)
        chosen, wide = bytes(decoded.write_to_memory()), decoded.bands
        entries: dict[bytes, int] = {}
        starts = range(0, len(self._occupied) * wide, wide)
        numbers = [entries.setdefault(chosen[start : start + wide], len(entries)) for start in starts]
        colours = [(*colour, 255)[: self._bands] for colour in entries]
        for place in sorted(self._shares, key=self._shares.__getitem__):
            colours[numbers[place]] = tuple(self._colours[place])
        table = bytearray(1 << 16)
        for cell, number in zip(self._occupied, numbers, strict=True):
            table[cell] = number
        return IndexedImage(_lookup(self._cells, table).copy_memory(), colours)


def _cells_of(pixels: Pixels, table: Pixels) -> Pixels:
    """The cell of each pixel: every band mapped through its table, combined by XOR into one band."""
    return pixels.maplut(table).bandbool("eor")


@cache
def _spread(bands: int, factor: int) -> Pixels:
    return _table((value << 8, value, _blue(value, factor), _alpha(value, factor))[:bands] for value in range(256))


def _blue(value: int, factor: int) -> int:
    return value * factor & 0xFFFF


def _alpha(value: int, factor: int) -> int:
    return value * (3 * factor + 128) & 0xFFFF


def _cell(colour: Iterable[int], factor: int) -> int:
    red, green, *rest = colour
    cell = red << 8 ^ green
    for part, value in zip((_blue, _alpha), rest, strict=False):
        cell ^= part(value, factor)
    return cell


def _colour(cell: int, rest: bytes, factor: int) -> tuple[int, ...]:
    """The only colour of a cell with this blue and alpha (`rest`)."""
    spread = zip((_blue, _alpha), rest, strict=False)
    for part, value in spread:
        cell ^= part(value, factor)
    return (cell >> 8, cell & 0xFF, *rest)


@cache
def _leading(bands: int) -> Pixels:
    return _table([value >> 8 - bits << place for bits, place in _bit_positions(bands)] for value in range(256))


@cache
def _bit_positions(bands: int) -> list[tuple[int, int]]:
    """For each band, its number of bits in a cell and the position of the lowest one."""
    return [(bits, sum(_LEADING_BITS[bands][:band])) for band, bits in enumerate(_LEADING_BITS[bands])]


def _table(rows: Iterable[Iterable[int]]) -> Pixels:
    """A lookup table: 256 values of 16 bits for each band."""
    values = [[*row] for row in rows]
    data = array("H", [value for row in values for value in row]).tobytes()
    return pyvips.Image.new_from_memory(data, len(values), 1, len(values[0]), "ushort")


@cache
def _centres(bands: int) -> bytes:
    """The colour at the centre of each cell of leading bits."""
    cells = pyvips.Image.identity(ushort=True, size=1 << sum(_LEADING_BITS[bands]))
    values = [(cells >> place) % (1 << bits) * (1 << 8 - bits) + (128 >> bits) for bits, place in _bit_positions(bands)]
    return _bytes(values[0].bandjoin(values[1:]))


def _index_of_cells(cells: Pixels, known: Iterable[int]) -> Pixels:
    """The index of each pixel's cell among the known ones."""
    table = bytearray([_NONE]) * (1 << 16)
    for number, cell in enumerate(known):
        table[cell] = number
    return _lookup(cells, table)


def _lookup(cells: Pixels, table: bytearray) -> Pixels:
    return cells.maplut(pyvips.Image.new_from_memory(bytes(table), len(table), 1, 1, "uchar")).copy(interpretation="b-w")


def _non_empty_bins(histogram: Pixels) -> list[int]:
    """The non-empty bins of a histogram."""
    there = bytes((histogram > 0).write_to_memory())
    return [*compress(range(len(there)), there)]


def _bytes(values: Pixels) -> bytes:
    return bytes(values.cast("uchar").write_to_memory())

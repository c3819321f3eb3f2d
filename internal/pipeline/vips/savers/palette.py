"""Pictures as a palette and one number a pixel: exactly, when they have few colours, or in fewer colours than they have.

libvips counts, and Python sees an entry for each colour and none for a pixel: some nanoseconds a pixel. Pixels are uchar, in 3
bands (sRGB) or 4 (with alpha), and are read several times: they should be in memory.
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

from internal.pipeline.vips.picture import Pixels
from internal.pipeline.vips.savers.flat_graphics import sampled, unseen

Seen: TypeAlias = Counter[bytes]
Colours: TypeAlias = dict[int, tuple[int, ...]]
"""The colour of each cell."""
MOST = 256
"""Colours that a palette of 8 bits can hold."""
_TURNS = (16, 0x9E37, 0x85EB, 0xC2B3)
"""Factors that spread a value over 16 bits. With 16, no two greys fall into one cell. Other colours may: the next is tried."""
_LEADING = {3: (5, 5, 4), 4: (4, 4, 4, 4)}
"""Bits of each value by which colours are counted together when there are many, by the number of bands."""
_NONE = 255
"""Number of a cell whose colour is not known."""
_UNKNOWN = re.compile(bytes([_NONE]))
_MANY = 1 << 10
"""Pixels of colours that a sample did not show: more than these are left to libvips to count."""
_ROW = 1 << 14
"""Pixels that stand for a picture when its palette is chosen, beside one for each colour."""


class Indexed(Struct, frozen=True):
    """`index` is one band of uchar: for each pixel the number of its colour. `colours` have a value for each band."""

    index: Pixels
    colours: list[tuple[int, ...]]

    @property
    def bits(self) -> int:
        """Bits that a pixel's number takes in a PNG: 1, 2, 4 or 8."""
        return next(bits for bits in (1, 2, 4, 8) if len(self.colours) <= 1 << bits)

    def only(self, used: list[int]) -> "Indexed":
        """Without the colours that no pixel has, `used` being the numbers of all others."""
        if len(used) == len(self.colours):
            return self
        table = bytearray(MOST)
        for rank, number in enumerate(used):
            table[number] = rank
        return Indexed(_looked_up(self.index, table).copy_memory(), [self.colours[number] for number in used])

    def shown(self, first: int = 0) -> Pixels:
        """The picture in its colours, or their bands from `first` on."""
        palette = bytes(value for colour in self.colours for value in colour[first:])
        lut = pyvips.Image.new_from_memory(palette, len(self.colours), 1, len(self.colours[0]) - first, "uchar")
        return self.index.maplut(lut).copy(interpretation="srgb")


def in_palette(pixels: Pixels, palette: Collection[bytes]) -> Indexed | None:
    """The picture exactly as it is, with those colours of `palette` that it has, in their order; None when it has others too.

    INVARIANT: no pixel gets another colour than its own
    (tests/unit/pipeline/vips/test_known_palette.py::test_a_colour_that_the_palette_lacks_is_seen). A palette of MOST entries has
    no number left for what is unknown: then all bands are compared, and else blue and alpha (see `indexed`).
    """
    known = [*dict.fromkeys(palette)]
    for factor in _TURNS:
        cells = [_cell(colour, factor) for colour in known]
        if len({*cells}) == len(known) <= MOST:
            index = _numbered(_joined(pixels, _spread(pixels.bands, factor)), cells).copy_memory()
            used = _occupied(index.hist_find())
            made, first = Indexed(index, [tuple(colour) for colour in known]), 0 if len(known) == MOST else 2
            if used[-1] >= len(known) or (made.shown(first) != pixels.extract_band(first, n=pixels.bands - first)).max():
                return None
            return made.only(used)
    return None


def shows_too_little(pixels: Pixels, seen: Seen) -> bool:
    """Whether so many pixels are likely to have colours that were not `seen` that it is not worth while to try each of them."""
    return unseen(pixels, seen) > _MANY


def indexed(pixels: Pixels, most: int = MOST, seen: Seen | None = None) -> Indexed | None:
    """The picture exactly as it is; None when it has more than `most` colours. `seen`: `sampled(pixels)`, where it is known.

    INVARIANT: no pixel gets another colour than its own
    (tests/unit/pipeline/vips/test_flat_graphics.py::test_rare_colours_that_fall_into_one_cell_are_told_apart).
    A pixel's cell is red and green, exclusive-or blue (and alpha) spread over 16 bits: beside blue and alpha it says what red and
    green are. So a picture whose cells show its blue and alpha has one colour in each cell, and we know which. The colours come
    from the sample, and from the pixels whose cell is not in it; only where these are many are all pixels counted.
    """
    seen = sampled(pixels) if seen is None else seen
    if len(seen) > most:
        return None
    rest = pixels.extract_band(2, n=pixels.bands - 2)
    for factor in _TURNS:
        colours: Colours = dict(sorted((_cell(colour, factor), tuple(colour)) for colour in seen))
        if len(colours) < len(seen):
            continue
        cells = _joined(pixels, _spread(pixels.bands, factor))
        numbers = _numbered(cells, colours).write_to_memory()
        hopeless = len(colours) == MOST or shows_too_little(pixels, seen)
        if hopeless or not _completed(colours, numbers, pixels, factor, most):
            cells = cells.copy_memory()
            colours = _counted(cells, rest, factor)
            numbers = _numbered(cells, colours).write_to_memory() if len(colours) <= most else b""
        if len(colours) > most:
            return None
        index = pyvips.Image.new_from_memory(numbers, pixels.width, pixels.height, 1, "uchar")
        made = Indexed(index.copy(interpretation="b-w"), [*colours.values()])
        if (made.shown(first=2) != rest).max() == 0:
            return made
    return None


def _completed(colours: Colours, numbers: Any, pixels: Pixels, factor: int, most: int) -> bool:
    """Number the pixels of colours that the sample did not show, and add these to `colours`, as far as one above `most`.

    `numbers` are bytes, one for each pixel. False where such pixels are too many, or two of these colours share a cell.
    """
    region, width, ranks = pyvips.Region.new(pixels), pixels.width, dict[bytes, int]()
    for many, mark in enumerate(_UNKNOWN.finditer(numbers)):
        if many >= _MANY:
            return False
        y, x = divmod(mark.start(), width)
        colour = bytes(region.fetch(x, y, 1, 1))
        if colour not in ranks:
            ranks[colour] = len(colours)
            if colours.setdefault(_cell(colour, factor), tuple(colour)) != tuple(colour):
                return False
            if len(colours) > most:
                return True
        numbers[mark.start()] = bytes([ranks[colour]])
    return True


def _counted(cells: Pixels, rest: Pixels, factor: int) -> Colours:
    """A colour of each cell."""
    highest, wide = _bytes(rest.hist_find_indexed(cells, combine="max")), rest.bands
    return {cell: _colour(cell, highest[cell * wide : (cell + 1) * wide], factor) for cell in _occupied(cells.hist_find())}


class Cells:
    """The colours of a picture, counted in cells of equal leading bits.

    A cell's colour is the most frequent one in it, as far as a sample shows that, else the middle: what is flat keeps its colour.
    """

    def __init__(self, pixels: Pixels, seen: Seen) -> None:
        """`seen`: `sampled(pixels)`."""
        self._cells, self._bands = _joined(pixels, _leading(pixels.bands)).copy_memory(), pixels.bands
        counted, size, wide = self._cells.hist_find(), pixels.width * pixels.height, pixels.bands
        counts = memoryview(bytes(counted.write_to_memory())).cast("I")
        self._occupied, colours = _occupied(counted), bytearray(_middles(wide))
        for colour, _ in reversed(seen.most_common(MOST)):
            cell = sum(value >> 8 - bits << place for value, (bits, place) in zip(colour, _places(wide), strict=True))
            colours[cell * wide : (cell + 1) * wide] = colour
        self._colours = [colours[cell * wide : (cell + 1) * wide] for cell in self._occupied]
        self._shares = {place: share for place, cell in enumerate(self._occupied) if (share := counts[cell] * _ROW // size)}

    def __len__(self) -> int:
        return len(self._occupied)

    def row(self) -> Pixels:
        """A row of pixels that stands for the picture: one of each cell, so that no colour is missed, and more of full ones."""
        pixels = b"".join([*self._colours, *(self._colours[place] * share for place, share in self._shares.items())])
        row = pyvips.Image.new_from_memory(pixels, len(pixels) // self._bands, 1, self._bands, "uchar")
        return row.copy(interpretation="srgb")

    def reduced(self, bits: int) -> Indexed:
        """The picture in at most `1 << bits` colours (4 or 8 bits), without dither.

        libimagequant makes the palette of the row. An entry then takes the colour of the fullest cell that it stands for, so that
        flat areas keep theirs.
        """
        data = self.row().pngsave_buffer(palette=True, bitdepth=bits, dither=0, effort=3, compression=0, keep="none")
        made = pyvips.Image.pngload_buffer(data)
        chosen, wide = bytes(made.write_to_memory()), made.bands
        entries: dict[bytes, int] = {}
        starts = range(0, len(self._occupied) * wide, wide)
        numbers = [entries.setdefault(chosen[start : start + wide], len(entries)) for start in starts]
        colours = [(*colour, 255)[: self._bands] for colour in entries]
        for place in sorted(self._shares, key=self._shares.__getitem__):
            colours[numbers[place]] = tuple(self._colours[place])
        table = bytearray(1 << 16)
        for cell, number in zip(self._occupied, numbers, strict=True):
            table[cell] = number
        return Indexed(_looked_up(self._cells, table).copy_memory(), colours)


def _joined(pixels: Pixels, table: Pixels) -> Pixels:
    """For each pixel the number of its cell: each band through its table, and what comes out joined into one band."""
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
    """The one colour of a cell, `rest` being its blue and alpha."""
    spread = zip((_blue, _alpha), rest, strict=False)
    for part, value in spread:
        cell ^= part(value, factor)
    return (cell >> 8, cell & 0xFF, *rest)


@cache
def _leading(bands: int) -> Pixels:
    return _table([value >> 8 - bits << place for bits, place in _places(bands)] for value in range(256))


@cache
def _places(bands: int) -> list[tuple[int, int]]:
    """For each band how many bits of it a cell has, and from which of its own bits on."""
    return [(bits, sum(_LEADING[bands][:band])) for band, bits in enumerate(_LEADING[bands])]


def _table(rows: Iterable[Iterable[int]]) -> Pixels:
    """A table for maplut: 256 values of 16 bits for each band."""
    values = [[*row] for row in rows]
    data = array("H", [value for row in values for value in row]).tobytes()
    return pyvips.Image.new_from_memory(data, len(values), 1, len(values[0]), "ushort")


@cache
def _middles(bands: int) -> bytes:
    """The colour in the middle of each cell of leading bits."""
    cells = pyvips.Image.identity(ushort=True, size=1 << sum(_LEADING[bands]))
    values = [(cells >> place) % (1 << bits) * (1 << 8 - bits) + (128 >> bits) for bits, place in _places(bands)]
    return _bytes(values[0].bandjoin(values[1:]))


def _numbered(cells: Pixels, known: Iterable[int]) -> Pixels:
    """For each pixel the place of its cell among the known ones."""
    table = bytearray([_NONE]) * (1 << 16)
    for number, cell in enumerate(known):
        table[cell] = number
    return _looked_up(cells, table)


def _looked_up(cells: Pixels, table: bytearray) -> Pixels:
    return cells.maplut(pyvips.Image.new_from_memory(bytes(table), len(table), 1, 1, "uchar")).copy(interpretation="b-w")


def _occupied(histogram: Pixels) -> list[int]:
    """The places of a histogram where something was counted."""
    there = bytes((histogram > 0).write_to_memory())
    return [*compress(range(len(there)), there)]


def _bytes(values: Pixels) -> bytes:
    return bytes(values.cast("uchar").write_to_memory())

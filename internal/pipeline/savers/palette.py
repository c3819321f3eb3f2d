"""Pictures as a palette and one number a pixel: exactly, when they have few colours, or in fewer colours than they have.

libvips counts, and Python sees an entry for each colour and none for a pixel: some nanoseconds a pixel. Pixels are uchar, in 3
bands (sRGB) or 4 (with alpha), and are read several times: they should be in memory.
"""

from array import array
from collections.abc import Iterable
from functools import cache

import pyvips
from msgspec import Struct

from internal.pipeline.picture import Pixels
from internal.pipeline.savers.flatness import sampled

MOST = 256
"""Colours that a palette of 8 bits can hold."""
_TURNS = (16, 0x9E37, 0x85EB, 0xC2B3)
"""Factors that spread a value over 16 bits. With 16, no two greys fall into one cell. Other colours may: the next is tried."""
_LEADING = {3: 5, 4: 4}
"""Bits of a value by which colours are counted together when there are many, by the number of bands."""
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

    def shown(self) -> Pixels:
        """The picture in its colours."""
        palette = bytes(value for colour in self.colours for value in colour)
        lut = pyvips.Image.new_from_memory(palette, len(self.colours), 1, len(self.colours[0]), "uchar")
        return self.index.maplut(lut).copy(interpretation="srgb")


def indexed(pixels: Pixels, most: int = MOST) -> Indexed | None:
    """The picture exactly as it is; None when it has more than `most` colours.

    A pixel's cell is red and green, exclusive-or blue (and alpha) spread over 16 bits: beside blue and alpha it says what red and
    green are. So a cell whose least and greatest blue and alpha are equal holds one colour, and we know which.
    """
    rest = pixels.extract_band(2, n=pixels.bands - 2)
    wide, both = rest.bands, rest.bandjoin(rest.invert())
    for factor in _TURNS:
        cells = _cells(pixels, _spread(pixels.bands, factor))
        occupied = _occupied(cells.hist_find())
        if len(occupied) > most:
            return None
        extremes = _bytes(both.hist_find_indexed(cells, combine="max"))
        values = {cell: extremes[cell * 2 * wide : (cell + 1) * 2 * wide] for cell in occupied}
        if all(value[band] + value[wide + band] == 255 for value in values.values() for band in range(wide)):
            colours = [_colour(cell, value[:wide], factor) for cell, value in values.items()]
            return Indexed(_numbered(cells, {cell: number for number, cell in enumerate(occupied)}), colours)
    return None


class Cells:
    """The colours of a picture, counted in cells of equal leading bits.

    A cell's colour is the most frequent one in it, as far as a sample shows that, else the mean: what is flat keeps its colour.
    """

    def __init__(self, pixels: Pixels) -> None:
        self._cells, self._bands = _cells(pixels, _leading(pixels.bands)), pixels.bands
        counted, size, wide = self._cells.hist_find(), pixels.width * pixels.height, pixels.bands
        counts = memoryview(bytes(counted.write_to_memory())).cast("I")
        means = bytearray(_bytes((pixels.hist_find_indexed(self._cells, combine="sum") / counted).rint()))
        for colour, _ in reversed(sampled(pixels).most_common(MOST)):
            cell = sum(value >> 8 - _LEADING[wide] << _LEADING[wide] * band for band, value in enumerate(colour))
            means[cell * wide : (cell + 1) * wide] = colour
        self._occupied, colours = _occupied(counted), bytes(means)
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
        data = self.row().pngsave_buffer(palette=True, bitdepth=bits, dither=0, effort=4, compression=0, keep="none")
        made = pyvips.Image.pngload_buffer(data)
        chosen, wide = bytes(made.write_to_memory()), made.bands
        entries: dict[bytes, int] = {}
        starts = range(0, len(self._occupied) * wide, wide)
        numbers = [entries.setdefault(chosen[start : start + wide], len(entries)) for start in starts]
        colours = [(*colour, 255)[: self._bands] for colour in entries]
        for place in sorted(self._shares, key=self._shares.__getitem__):
            colours[numbers[place]] = tuple(self._colours[place])
        return Indexed(_numbered(self._cells, dict(zip(self._occupied, numbers, strict=True))), colours)


def _cells(pixels: Pixels, table: Pixels) -> Pixels:
    """For each pixel the number of its cell: each band through its table, and what comes out joined into one band."""
    return pixels.maplut(table).bandbool("eor").copy_memory()


@cache
def _spread(bands: int, factor: int) -> Pixels:
    return _table((value << 8, value, _blue(value, factor), _alpha(value, factor))[:bands] for value in range(256))


def _blue(value: int, factor: int) -> int:
    return value * factor & 0xFFFF


def _alpha(value: int, factor: int) -> int:
    return value * (3 * factor + 128) & 0xFFFF


def _colour(cell: int, rest: bytes, factor: int) -> tuple[int, ...]:
    """The one colour of a cell, `rest` being its blue and alpha."""
    spread = zip((_blue, _alpha), rest, strict=False)
    for part, value in spread:
        cell ^= part(value, factor)
    return (cell >> 8, cell & 0xFF, *rest)


@cache
def _leading(bands: int) -> Pixels:
    bits = _LEADING[bands]
    return _table([value >> 8 - bits << bits * band for band in range(bands)] for value in range(256))


def _table(rows: Iterable[Iterable[int]]) -> Pixels:
    """A table for maplut: 256 values of 16 bits for each band."""
    values = [[*row] for row in rows]
    data = array("H", [value for row in values for value in row]).tobytes()
    return pyvips.Image.new_from_memory(data, len(values), 1, len(values[0]), "ushort")


def _numbered(cells: Pixels, numbers: dict[int, int]) -> Pixels:
    """The cells of each pixel as the numbers that they have."""
    table = bytearray(1 << 16)
    for cell, number in numbers.items():
        table[cell] = number
    return cells.maplut(pyvips.Image.new_from_memory(bytes(table), len(table), 1, 1, "uchar")).copy(interpretation="b-w")


def _occupied(histogram: Pixels) -> list[int]:
    """The places of a histogram where something was counted."""
    there = bytes((histogram > 0).write_to_memory())
    places, place = [], there.find(255)
    while place >= 0:
        places.append(place)
        place = there.find(255, place + 1)
    return places


def _bytes(histogram: Pixels) -> bytes:
    return bytes(histogram.cast("uchar").write_to_memory())

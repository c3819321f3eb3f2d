"""TIFF samples: their type, number per pixel and meaning, and which of them libvips decodes correctly.

For other samples, libvips reads rewritten directories that describe the same bytes as plain numbers (`rewrites`), and
vips/loaders/tiff_colours.py converts these to colours. What neither can do is refused here, by name. Pure Python, bounded.
"""

from collections.abc import Sequence
from math import isfinite

from msgspec import Struct

from internal.domain.errors import InvalidImage
from internal.pipeline.containers.tiff_compressions import BYTEWISE, JPEG, require_readable
from internal.pipeline.containers.tiff_copy import Changes
from internal.pipeline.containers.tiff_directory import MAX_PLACES
from internal.pipeline.containers.tiff_fields import Directory, TiffFile

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, CIELAB, ICCLAB, LOGLUV = 0, 1, 2, 3, 5, 6, 8, 9, 32845
"""PhotometricInterpretation: TIFF 6.0, TIFF Technical Notes of PageMaker 6 (ICCLab), SGI (LogLuv)."""
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
"""SampleFormat."""
GREYS, LABS = frozenset({WHITE_IS_ZERO, BLACK_IS_ZERO}), frozenset({CIELAB, ICCLAB})

_COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3, LOGLUV: 3}
_OTHER_COLOURS = {10: "ITU Lab", 32844: "SGI LogL", 32803: "a sensor's raw data", 34892: "linear raw data", 51177: "a depth map"}
_FORMATS = {1: UNSIGNED, 2: SIGNED, 3: FLOAT, 4: UNSIGNED}
"""SampleFormat 4, undefined, is treated as absent (TIFF 6.0, section 19)."""
_WIDTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _COUNT, _ROWS, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT = (
    256,
    258,
    259,
    262,
    277,
    278,
    317,
    322,
    323,
)
_PLANAR, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _SMIN, _SMAX, _INK_SET, _SUBSAMPLING = 284, 338, 339, 340, 341, 332, 530
_STRIPS, _STRIP_SIZES, _TILES, _TILE_SIZES = 273, 279, 324, 325
_WHITE_POINT, _LUMA, _REFERENCE = 318, 529, 532
_USUAL_LUMA, _USUAL_REFERENCE = (0.299, 0.587, 0.114), (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)
_MAX_SAMPLES = 1000
"""Samples per pixel. Satellite pictures have some hundreds."""
_MAX_ROW, _MAX_STRIP, _MAX_TILES = 2**20, 64 * 2**20, 2**29
"""Bytes of a row, a strip of up to 128 rows, a row of tiles. libvips holds about 500 rows, one strip, two rows of tiles."""
_ASSOCIATED, _UNASSOCIATED = 1, 2
_KINDS = {UNSIGNED: "unsigned", SIGNED: "signed", FLOAT: "floating-point"}
_NUMBERS = {UNSIGNED: frozenset({*range(1, 17), 32, 64}), SIGNED: frozenset({8, 16, 32, 64}), FLOAT: frozenset({16, 32, 64})}
"""Supported bits per sample for each SampleFormat."""


class Samples(Struct, frozen=True):
    """Description of the samples of one directory's picture.

    `photometric` is PhotometricInterpretation, and `stated` says whether the file has it; `bits` is the size of a sample,
    `numbers` SampleFormat, `count` samples per pixel. `alpha` is the index of the opacity sample, or None; `associated`: colours
    are premultiplied. `low` and `high` are black and white, or no and full ink; `range_guessed`: the file should state them but
    does not. `planes`: each sample has its own strips or tiles. `luma` and `reference` are YCbCrCoefficients and
    ReferenceBlackWhite.
    """

    width: int
    photometric: int
    stated: bool
    bits: int
    numbers: int
    count: int
    alpha: int | None
    associated: bool
    low: float
    high: float
    range_guessed: bool
    compression: int
    subsampled: bool
    planes: bool
    tile_width: int | None
    little_endian: bool
    white_point: tuple[float, ...] | None
    luma: tuple[float, ...]
    reference: tuple[float, ...]

    @property
    def colours(self) -> int:
        """The number of colour samples. Alpha and extra samples follow them."""
        return _COLOURS[self.photometric]

    @property
    def wanted(self) -> tuple[int, ...]:
        """Indexes of the samples that are shown: colours, then alpha. Others (spot inks, saved selections) are not."""
        return (*range(self.colours), *(() if self.alpha is None else (self.alpha,)))

    @property
    def packed(self) -> bool:
        """True if samples are not aligned to bytes."""
        return self.bits % 8 != 0

    @property
    def read_as_rgba(self) -> bool:
        """True if libvips lets libtiff convert the picture to RGBA."""
        return self.photometric == YCBCR and self.compression != JPEG and self.subsampled

    @property
    def native(self) -> bool:
        """True if libvips 8.18 decodes these samples correctly without rewritten directories."""
        if self.photometric == LOGLUV:
            return True  # libtiff converts it to floating-point XYZ, whatever the sample type
        if self.numbers != UNSIGNED:
            return False
        if self.planes and (self.tile_width is not None or self.photometric not in (RGB, CMYK)):
            return False  # it refuses tiles, and mixes up the rows of strips of other colours
        if self.associated and self.photometric in (WHITE_IS_ZERO, CMYK):
            return False
        if self.photometric in GREYS:
            return self.bits in (8, 16) or (self.bits in (1, 2, 4) and self.count == 1)
        if self.photometric in (RGB, CMYK):
            return self.bits in (8, 16)
        if self.photometric == YCBCR:
            return self.compression == JPEG or self.subsampled
        return self.photometric == PALETTE

    def rewrites(self, tiff: TiffFile, directory: Directory) -> list[Changes]:
        """Changes to the directory that let libvips read the samples, one per page; empty if none is needed.

        Several pages are planes, each with one of the `wanted` samples. Raises OutOfReach.
        """
        if self.native:
            return [] if self.stated else [{_PHOTOMETRIC: (self.photometric,)}]
        if not self.planes:
            return [self._rewrite(self.count)]
        places, sizes = (_TILES, _TILE_SIZES) if self.tile_width is not None else (_STRIPS, _STRIP_SIZES)
        lists = {tag: tiff.places(directory, tag, most=MAX_PLACES) for tag in (places, sizes)}
        pieces = len(lists[places]) // self.count
        if pieces == 0 or any(len(values) != pieces * self.count for values in lists.values()):
            raise InvalidImage("The TIFF file has a wrong number of strips or tiles for its planes.")
        return [
            self._rewrite(1) | {tag: values[plane * pieces : (plane + 1) * pieces] for tag, values in lists.items()}
            for plane in self.wanted
        ]

    def _rewrite(self, count: int) -> dict[int, Sequence[int] | None]:
        """Changes that describe `count` samples per pixel as plain numbers: grey, or RGB if JPEG needs three components."""
        bits, numbers, changes = self.bits, self.numbers, dict[int, Sequence[int] | None]()
        if self.packed:
            changes |= {_WIDTH: (_bytes_of(self.width, count, bits),), _PREDICTOR: None}
            if self.tile_width is not None:
                changes[_TILE_WIDTH] = (_bytes_of(self.tile_width, count, bits),)
            bits, numbers, count = 8, UNSIGNED, 1
        elif bits == 64:
            bits, numbers, count = 32, UNSIGNED, count * 2
        photometric = BLACK_IS_ZERO if count < 3 else RGB
        extra = count - _COLOURS[photometric]
        return changes | {
            _BITS: (bits,) * count,
            _PHOTOMETRIC: (photometric,),
            _COUNT: (count,),
            _PLANAR: (1,),
            _EXTRA_SAMPLES: (0,) * extra if extra else None,
            _SAMPLE_FORMAT: (UNSIGNED if self.photometric in LABS and numbers == SIGNED else numbers,) * count,
            _SMIN: None,
            _SMAX: None,
        }


def _bytes_of(width: int, count: int, bits: int) -> int:
    """Bytes of one row."""
    return (width * count * bits + 7) // 8


def read_samples(tiff: TiffFile, directory: Directory) -> Samples:
    """Read the description of the samples.

    Raises InvalidImage with the reason for samples that can't be shown correctly, and OutOfReach.
    """

    def numbers(tag: int, *default: int) -> tuple[int, ...]:
        try:
            return tiff.numbers(directory, tag, most=_MAX_SAMPLES) or default
        except ValueError as error:
            raise InvalidImage("The TIFF's pixels have too many samples.") from error

    def number(tag: int, default: int) -> int:
        return int(numbers(tag, default)[0])

    count, compression = number(_COUNT, 1), number(_COMPRESSION, 1)
    if not 0 < count <= _MAX_SAMPLES:
        raise InvalidImage(f"The TIFF's pixels have {count} samples; the limit is {_MAX_SAMPLES}.")
    bits = _same(numbers(_BITS, 1), "sizes")
    kind = _same(numbers(_SAMPLE_FORMAT, UNSIGNED), "kinds")
    if kind not in _FORMATS:
        raise InvalidImage("The TIFF's samples are complex numbers or of an unknown type.")
    if bits > 64:
        raise InvalidImage(f"The TIFF has samples of {bits} bits, which is not supported.")
    photometric = _photometric(tiff.number(directory, _PHOTOMETRIC), count, bits, _FORMATS[kind])
    extras = (*numbers(_EXTRA_SAMPLES), *[0] * count)[: max(0, count - _COLOURS[photometric])]
    alpha = _alpha(extras)
    usual = _usual_range(bits, _FORMATS[kind])
    low, high = _stated_range(tiff, directory, usual) if _FORMATS[kind] != UNSIGNED or bits > 16 else usual
    samples = Samples(
        width=number(_WIDTH, 0),
        photometric=photometric,
        stated=_PHOTOMETRIC in directory.fields,
        bits=bits,
        numbers=_FORMATS[kind],
        count=count,
        alpha=None if alpha is None else _COLOURS[photometric] + alpha,
        associated=alpha is not None and extras[alpha] == _ASSOCIATED,
        low=low,
        high=high,
        range_guessed=_FORMATS[kind] == FLOAT and photometric not in LABS and (low, high) == usual,
        compression=compression,
        subsampled=numbers(_SUBSAMPLING, 2, 2)[:2] != (1, 1),
        planes=number(_PLANAR, 1) == 2 and count > 1,
        tile_width=number(_TILE_WIDTH, 0) if _TILES in directory.fields else None,
        little_endian=tiff.order == "<",
        white_point=numbers(_WHITE_POINT)[:2] or None,
        luma=_usable(numbers(_LUMA), _USUAL_LUMA),
        reference=_usable(numbers(_REFERENCE), _USUAL_REFERENCE),
    )
    _require_showable(
        samples,
        predictor=number(_PREDICTOR, 1),
        inks=number(_INK_SET, 1),
        rows=number(_ROWS, 2**32 - 1),
        tile_rows=number(_TILE_HEIGHT, 0),
    )
    return samples


def _same(values: tuple[int, ...], what: str) -> int:
    if len(set(values)) > 1:
        raise InvalidImage(f"The TIFF's samples are of different {what}, which is not supported.")
    return int(values[0])


def _usable(values: tuple[float, ...], usual: tuple[float, ...]) -> tuple[float, ...]:
    """The values of the file if they are usable, else the defaults."""
    if len(values) != len(usual) or not all(map(isfinite, values)):
        return usual
    divisors = [values[1]] if len(usual) == 3 else [most - least for least, most in zip(values[::2], values[1::2], strict=True)]
    return values if all(abs(divisor) > 1e-6 for divisor in divisors) else usual


def _photometric(stated: int | None, count: int, bits: int, numbers: int) -> int:
    """PhotometricInterpretation. TIFF 6.0 has no default: one sample of at most 8 bits is treated as in Pillow 13.0."""
    if stated is None:
        if count == 1 and bits <= 8 and numbers == UNSIGNED:
            return WHITE_IS_ZERO
        raise InvalidImage("The TIFF file does not say what its samples mean: it has no PhotometricInterpretation (tag 262).")
    if stated not in _COLOURS:
        name = _OTHER_COLOURS.get(stated, "an unknown type")
        raise InvalidImage(f"The TIFF's colours are {name} (PhotometricInterpretation {stated}), which is not supported.")
    return stated


def _alpha(extras: tuple[int, ...]) -> int | None:
    """Index of the extra sample that is opacity: the last associated one, as in libvips, else the first unassociated one."""
    if _ASSOCIATED in extras:
        return len(extras) - 1 - extras[::-1].index(_ASSOCIATED)
    return extras.index(_UNASSOCIATED) if _UNASSOCIATED in extras else None


def _usual_range(bits: int, numbers: int) -> tuple[float, float]:
    """The full range of the data type; 0 to 1 for floating point."""
    half = 2.0 ** (bits - 1)
    return {UNSIGNED: (0.0, 2.0**bits - 1), SIGNED: (-half, half - 1), FLOAT: (0.0, 1.0)}[numbers]


def _stated_range(tiff: TiffFile, directory: Directory, usual: tuple[float, float]) -> tuple[float, float]:
    """SMinSampleValue and SMaxSampleValue as black and white (TIFF 6.0, section 19), if they are usable.

    Of several samples the lowest and the highest count, as in libtiff, so that colours keep their proportion. They are not used
    for 8 or 16 unsigned bits, where every program ignores them. MinSampleValue and MaxSampleValue (280, 281) are statistics and
    must not change the picture.
    """
    try:
        lows = tiff.numbers(directory, _SMIN, most=_MAX_SAMPLES) or usual[:1]
        highs = tiff.numbers(directory, _SMAX, most=_MAX_SAMPLES) or usual[1:]
    except ValueError:
        return usual
    low, high = float(min(lows)), float(max(highs))
    return (low, high) if all(map(isfinite, (*lows, *highs, high - low))) and low < high else usual


def _require_showable(samples: Samples, *, predictor: int, inks: int, rows: int, tile_rows: int) -> None:
    bits, photometric = samples.bits, samples.photometric
    require_readable(samples.compression)
    what = f"The TIFF has {_KINDS[samples.numbers]} samples of {bits} bits"
    if bits not in _NUMBERS[samples.numbers] and photometric != LOGLUV:
        raise InvalidImage(f"{what}, which is not supported.")
    if samples.count < samples.colours:
        raise InvalidImage(f"The TIFF's pixels have {samples.count} samples, too few for their colours.")
    if photometric == CMYK and inks != 1:
        raise InvalidImage("The TIFF is printed with inks other than CMYK (InkSet), which is not supported.")
    if photometric == PALETTE and (samples.numbers != UNSIGNED or bits not in (1, 2, 4, 8, 16)):
        raise InvalidImage(f"{what} as palette indexes, which is not supported.")
    if photometric == PALETTE and samples.alpha is not None and (samples.associated or bits < 8):
        raise InvalidImage("The TIFF has a palette with transparency, which is not supported.")
    if photometric == YCBCR and (bits != 8 or samples.numbers != UNSIGNED):
        raise InvalidImage(f"{what} in YCbCr, which is not supported.")
    if photometric in LABS and bits not in ((32,) if samples.numbers == FLOAT else (8, 16)):
        raise InvalidImage(f"{what} in CIE L*a*b*, which is not supported.")
    row = _bytes_of(samples.width, 1 if samples.planes else samples.count, bits)
    at_once = row * tile_rows > _MAX_TILES if samples.tile_width else rows <= 128 and row * rows > _MAX_STRIP
    if row > _MAX_ROW or at_once:
        raise InvalidImage(f"{what}, {samples.count} in each pixel, in rows, strips or tiles that are too long.")
    if samples.native:
        return
    if samples.planes and (photometric == PALETTE or (photometric == YCBCR and samples.subsampled)):
        raise InvalidImage("The TIFF's samples are in separate planes, which is not supported for its colours.")
    if (samples.packed or bits == 64) and (predictor != 1 or samples.compression not in BYTEWISE):
        raise InvalidImage(f"{what}, with a compression that is not supported for them.")
    if samples.packed and _bytes_of(samples.tile_width or 0, 1 if samples.planes else samples.count, bits) % 16:
        raise InvalidImage(f"{what} in tiles of {samples.tile_width} pixels, which is not supported for them.")

"""Conversion of TIFF samples to colours of the pipeline: grey or RGB in 16 bits, CMYK in 8 bits, with or without alpha.

It handles samples that libvips reads as plain numbers (see tiff_samples.py). Everything streams, row by row. Floating-point grey
and RGB are linear light from 0 to 1, as Photoshop writes them, unless a profile says otherwise. NaN becomes black; values out of
range are clipped.
"""

from math import lcm

from internal.domain.errors import InvalidImage
from internal.pipeline.containers.tiff_samples import (
    CIELAB,
    CMYK,
    FLOAT,
    GREYS,
    ICCLAB,
    LABS,
    PALETTE,
    SIGNED,
    WHITE_IS_ZERO,
    YCBCR,
    Samples,
)
from internal.pipeline.vips.pixels import Pixels
from internal.pipeline.vips.profiles import usable_profile, without_profile

_D50_X, _NEAR = 0.3457, 0.006
"""CIE x of the illuminant D50, and the tolerance within which a white point counts as D50. D55 has 0.3324."""


def select_samples(pixels: Pixels, samples: Samples) -> Pixels:
    """The colours and the alpha of pixels that libvips decodes correctly; extra samples are dropped.

    Raises InvalidImage if libvips found another number of samples than we: the file contradicts itself.
    """
    beside = samples.count - samples.colours
    if not samples.read_as_rgba and pixels.bands - beside not in (
        (1, 3) if samples.photometric == PALETTE else (samples.colours,)
    ):
        raise InvalidImage("The TIFF file is damaged: its number of samples contradicts its header.")
    colours = 3 if samples.read_as_rgba else pixels.bands - beside
    alpha = None if samples.alpha is None or samples.read_as_rgba else colours + samples.alpha - samples.colours
    if pixels.bands == colours + (alpha is not None):
        return _cmyk_in_eight_bits(pixels) if alpha is not None else pixels
    shown = pixels.extract_band(0, n=colours)
    if alpha is not None:
        shown = _cmyk_in_eight_bits(shown.bandjoin(pixels[alpha]).copy(interpretation=pixels.interpretation))
    return shown.copy(interpretation=pixels.interpretation)


def _cmyk_in_eight_bits(pixels: Pixels) -> Pixels:
    """CMYK with alpha in 8 bits. libvips takes 255 for opaque, even in 16 bits."""
    if pixels.interpretation != "cmyk" or pixels.format != "ushort":
        return pixels
    return (pixels >> 8).cast("uchar").copy(interpretation="cmyk")


def convert_samples(planes: list[Pixels], samples: Samples) -> Pixels:
    """The picture from samples that were read through rewritten directories: one image with all of them, or one per sample."""
    colours, alpha = _split_alpha(planes, samples)
    opacity = None if alpha is None else _to_unit_range(alpha, samples)
    weight = opacity if samples.associated else None
    if samples.photometric in LABS:
        shown = _lab(colours, weight, samples)
    elif samples.photometric == YCBCR:
        shown = _ycbcr(colours, weight, samples)
    elif samples.photometric == CMYK:
        shown = _to_integers(_divide_by_alpha(_to_unit_range(colours, samples), weight), "uchar", "cmyk")
    else:
        shown = _grey_or_rgb(_divide_by_alpha(_to_unit_range(colours, samples), weight), samples)
    if opacity is None:
        return shown
    return shown.bandjoin(_to_integers(opacity, shown.format, "b-w")).copy(interpretation=shown.interpretation)


def share_out_of_range(planes: list[Pixels], samples: Samples) -> float:
    """The share of colour samples outside `low` to `high`, from 0 to 1. Reads all pixels."""
    colours, _ = _split_alpha(planes, samples)
    return float(((colours < samples.low) | (colours > samples.high)).avg() / 255)


def _split_alpha(planes: list[Pixels], samples: Samples) -> tuple[Pixels, Pixels | None]:
    """Colours and alpha, as plain numbers."""
    if samples.planes:
        single = [_numbers(plane, samples, 1, 0) for plane in planes]
        return _joined(single[: samples.colours]), None if samples.alpha is None else single[-1]
    alpha = None if samples.alpha is None else _numbers(planes[0], samples, 1, samples.alpha)
    return _numbers(planes[0], samples, samples.colours, 0), alpha


def _joined(bands: list[Pixels]) -> Pixels:
    return bands[0].bandjoin(bands[1:]) if len(bands) > 1 else bands[0]


def _numbers(pixels: Pixels, samples: Samples, count: int, first: int) -> Pixels:
    """`count` samples beginning with `first`, as plain numbers, one band each."""
    if samples.bits == 64:
        return _wide(pixels.extract_band(2 * first, n=2 * count), samples)
    if samples.packed:
        pixels = _unpacked(pixels, samples.bits, samples.width, 1 if samples.planes else samples.count)
    return pixels.extract_band(first, n=count)


def _unpacked(pixels: Pixels, bits: int, width: int, count: int) -> Pixels:
    """Rows of bytes unpacked to samples of `bits` bits, most significant bit first. Each row starts at a byte (TIFF 6.0)."""
    group = lcm(bits, 8) // 8  # bytes that hold whole samples
    spare = -pixels.width % group
    row = pixels.embed(0, 0, pixels.width + spare, pixels.height) if spare else pixels
    parts = row.bandfold(factor=group) if group > 1 else row
    values = []
    for start in range(0, group * 8, bits):
        first, last = start // 8, (start + bits - 1) // 8
        value = parts[first].cast("uint")
        for byte in range(first + 1, last + 1):
            value = (value << 8) | parts[byte]
        values.append((value >> (8 * (last + 1) - start - bits)) & (2**bits - 1))
    joined = _joined(values)
    flat = joined.bandunfold(factor=joined.bands) if joined.bands > 1 else joined
    flat = flat.crop(0, 0, width * count, flat.height)
    return flat.bandfold(factor=count) if count > 1 else flat


def _wide(pixels: Pixels, samples: Samples) -> Pixels:
    """Samples of 64 bits as doubles. Each was read as two 32 bit numbers in the file's byte order."""
    bands = pixels.bandsplit()
    pairs = list(zip(bands[::2], bands[1::2], strict=True))
    lows_highs = pairs if samples.little_endian else [(low, high) for high, low in pairs]
    if samples.numbers == FLOAT:
        return _joined([half for pair in lows_highs for half in pair]).copy(format="double", bands=len(pairs))
    form = "int" if samples.numbers == SIGNED else "uint"
    return _joined([high.copy(format=form).cast("double") * 2.0**32 + low for low, high in lows_highs])


def _to_unit_range(numbers: Pixels, samples: Samples) -> Pixels:
    """The numbers scaled from the samples' range to 0 to 1."""
    span = samples.high - samples.low
    scaled = numbers.linear(1 / span, -samples.low / span)
    return (_without_nan(scaled) if samples.numbers == FLOAT else scaled).clamp(min=0, max=1)


def _without_nan(pixels: Pixels) -> Pixels:
    """The pixels with NaN as 0. NaN is not equal to itself."""
    return (pixels == pixels).ifthenelse(pixels, 0)


def _divide_by_alpha(colours: Pixels, weight: Pixels | None) -> Pixels:
    """Colours divided by alpha; black where alpha is 0."""
    return colours if weight is None else (weight > 0).ifthenelse(colours / weight, 0)


def _to_integers(unit: Pixels, form: str, interpretation: str) -> Pixels:
    """Values from 0 to 1 as integers of 8 or 16 bits."""
    return (unit.clamp(min=0, max=1) * (65535 if form == "ushort" else 255)).rint().cast(form).copy(interpretation=interpretation)


def _grey_or_rgb(unit: Pixels, samples: Samples) -> Pixels:
    if samples.photometric == WHITE_IS_ZERO:
        unit = unit.linear(-1, 1)
    encoded = _to_integers(unit, "ushort", "grey16" if samples.photometric in GREYS else "rgb16")
    if samples.numbers != FLOAT or usable_profile(encoded) is not None:
        return encoded
    light = without_profile(unit).clamp(min=0, max=1)
    light = light if light.bands == 3 else light.bandjoin([light, light])
    shown = light.cast("float").copy(interpretation="scrgb").scRGB2sRGB(depth=16)
    return shown[0].copy(interpretation="grey16") if samples.photometric in GREYS else shown


def _lab(numbers: Pixels, weight: Pixels | None, samples: Samples) -> Pixels:
    """sRGB from CIE L*a*b*. TIFF 6.0 has signed a* and b* and white D65; ICC has an offset and D50.

    A white point in the file takes precedence. For 16 bits see Adobe's Photoshop TIFF Technical Notes of 2002: ICC's L* ends at
    0xFF00.
    """
    lightness, a, b = numbers.bandsplit()
    if samples.numbers != FLOAT:
        byte = 2.0 ** (samples.bits - 8)
        is_icc = samples.photometric == ICCLAB
        lightness = lightness * (100 / (255 * byte if is_icc else 2**samples.bits - 1))
        if is_icc:
            a, b = (band / byte - 128 for band in (a, b))
        else:
            a, b = (band.copy(format="char" if samples.bits == 8 else "short") / byte for band in (a, b))
    lab = _without_nan(_divide_by_alpha(lightness.bandjoin([a, b]).cast("float"), weight)).clamp(min=-128, max=128)
    lab = without_profile(lab.copy(interpretation="lab"))
    white_x = samples.white_point[0] if samples.white_point else 0 if samples.photometric == CIELAB else _D50_X
    if abs(white_x - _D50_X) < _NEAR:
        return lab.icc_export(output_profile="srgb", depth=8, intent="relative")
    return lab.colourspace("srgb")


def _ycbcr(numbers: Pixels, weight: Pixels | None, samples: Samples) -> Pixels:
    """sRGB from luma and chroma at full resolution, which libvips 8.18 takes for red, green and blue (TIFF 6.0, section 21)."""
    red, green, blue = samples.luma
    black, white, *differences = samples.reference
    luma, cb, cr = numbers.bandsplit()
    luma = (luma - black) / (white - black)
    ends = zip((cb, cr), differences[::2], differences[1::2], strict=True)
    cb, cr = ((band - none) * (127 / 255 / (most - none)) for band, none, most in ends)
    r, b = luma + cr * (2 - 2 * red), luma + cb * (2 - 2 * blue)
    g = (luma - b * blue - r * red) / green
    return _to_integers(_divide_by_alpha(r.bandjoin([g, b]), weight), "uchar", "srgb")

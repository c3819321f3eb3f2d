"""TIFF with every type of sample: one colour on the left half, another on the right."""

from collections.abc import Callable
from typing import Any

import msgspec
import pyvips

from internal.pipeline.vips.profiles import PROFILE
from tests.golden.formats.kind import Colour, Kind, Quarters
from tests.tiff_pictures import CIELAB, CMYK, DEFLATE, GREY, ICCLAB, LZW, PALETTE, RGB, YCBCR, between, extra, halves, tiff
from tests.tiffs import DOUBLE, LONG, SHORT, UNDEFINED, Fields, Ifd, written

SIZE = (64, 48)
RED, BLUE = (200, 40, 40), (40, 90, 200)
WARM, COLD = (0.8, 0.2, 0.1), (0.1, 0.2, 0.8)
"""Shares of the full range; as linear light they are LIT."""
LIT, SHARES = ((231, 124, 89), (89, 124, 231)), ((204, 51, 26), (26, 51, 204))


def _both(left: tuple[int, ...], right: tuple[int, ...]) -> Quarters:
    pair: tuple[Colour, Colour] = tuple((*colour, 255)[:4] for colour in (left, right))  # type: ignore[assignment]
    return pair * 2


def _row(
    name: str,
    shown: str,
    colours: tuple[tuple[int, ...], tuple[int, ...]],
    *stored: Any,
    more: dict[str, Any] | None = None,
    **layout: Any,
) -> Kind:
    def data() -> bytes:
        return tiff(*stored, size=SIZE, **layout)

    return Kind("TIFF", name, "image/tiff", data, shown, colours=_both(*colours), **(more or {}))


def _refused(name: str, sentence: str, *stored: Any, **layout: Any) -> Kind:
    return Kind("TIFF", name, "image/tiff", lambda: tiff(*stored, size=SIZE, **layout), sentence, refused="invalid_image")


def _whole(kind: str, *shares: float) -> tuple[float, ...]:
    """Signed values have the same distance from their lowest one."""
    bits = int(kind[1:]) * 8
    low = -(2 ** (bits - 1)) if kind[0] == "i" else 0
    return tuple(low + int(share * (2**bits - 1)) for share in shares)


def _before(*, below: bool) -> Callable[[], bytes]:
    """A reduced version, then the picture."""

    def data() -> bytes:
        preview = halves((90, 90, 90), (90, 90, 90), "u1", RGB, {254: (LONG, (1,))}, size=(16, 12))
        picture = halves(RED, BLUE, "u1", RGB, size=SIZE)
        return written(msgspec.structs.replace(preview, below=(picture,))) if below else written(preview, picture)

    return data


def _mask() -> bytes:
    return written(Ifd(halves((1,), (0,), "b1", 4, {254: (LONG, (4,))}, size=SIZE).fields))


def _palette(bits: int) -> Fields:
    values = [0] * (3 * 2**bits)
    for index, colour in ((1, RED), (2, BLUE)):
        for channel, value in enumerate(colour):
            values[channel * 2**bits + index] = value * 257
    return {320: (SHORT, tuple(values))}


def _profile() -> Fields:
    """P3."""
    made = pyvips.Image.black(1, 1, bands=3).copy(interpretation="srgb").icc_transform("p3", input_profile="srgb")
    return {34675: (UNDEFINED, bytes(made.get(PROFILE)))}


FULL_YCBCR: Fields = {530: (SHORT, (1, 1))}
KINDS = (
    *(
        Kind(
            "TIFF",
            f"a preview (NewSubfileType 1), then the picture in {place}",
            "image/tiff",
            _before(below=below),
            "the picture",
            _both(RED, BLUE),
        )
        for place, below in (("the next directory", False), ("a SubIFD", True))
    ),
    *(
        _row(
            f"colour, {bits * 8} bit",
            "by the range of the type",
            SHARES,
            _whole(f"u{bits}", *WARM),
            _whole(f"u{bits}", *COLD),
            f"u{bits}",
            RGB,
        )
        for bits in (4, 8)
    ),
    *(
        _row(
            f"colour, {bits * 8} bit, signed",
            "by the range of the type: its lowest number is black",
            SHARES,
            _whole(f"i{bits}", *WARM),
            _whole(f"i{bits}", *COLD),
            f"i{bits}",
            RGB,
        )
        for bits in (1, 2, 4, 8)
    ),
    *(
        _row(f"colour, {bits * 8} bit, floating point", "as linear light from 0 to 1", LIT, WARM, COLD, f"f{bits}", RGB)
        for bits in (2, 4, 8)
    ),
    _row("grey, 32 bit, floating point", "as linear light from 0 to 1", ((188,) * 3, (137,) * 3), (0.5,), (0.25,), "f4", GREY),
    _row(
        "floating point with a profile",
        "by its profile",
        ((216, 69, 50), (216, 69, 50)),
        *[tuple(value / 255 for value in (200, 80, 60))] * 2,
        "f4",
        RGB,
        _profile(),
        more={"profile": True},
    ),
    _row(
        "grey, floating point, SMinSampleValue and SMaxSampleValue",
        "by that range",
        ((188,) * 3, (255,) * 3),
        (0.0,),
        (100.0,),
        "f4",
        GREY,
        between(-100.0, 100.0, DOUBLE),
    ),
    _row(
        "grey, 32 bit, SMinSampleValue and SMaxSampleValue",
        "by that range",
        ((128,) * 3, (255,) * 3),
        (500,),
        (1000,),
        "u4",
        GREY,
        between(0, 1000, LONG),
    ),
    _refused(
        "floating point, most of it not from 0 to 1, no range stated",
        "The TIFF's floating-point samples lie outside of 0 to 1, and it does not say which are black and white "
        "(SMinSampleValue, SMaxSampleValue).",
        (200.0,),
        (255.0,),
        "f4",
        GREY,
    ),
    *(
        _row(f"grey, {bits} bit, packed", "in 8 bit", ((0,) * 3, (255,) * 3), (0,), (2**bits - 1,), f"b{bits}", GREY)
        for bits in (2, 4, 10, 12, 14)
    ),
    _row("colour, 4 bit, packed", "in 8 bit", ((255, 0, 119), (119, 0, 255)), (15, 0, 7), (7, 0, 15), "b4", RGB),
    *(
        _row(
            f"palette, {bits} bit", "as it is", (RED, BLUE), (1,), (2,), f"b{bits}" if bits < 8 else "u1", PALETTE, _palette(bits)
        )
        for bits in (4, 8)
    ),
    _row("planes of their own, strips", "as it is", (RED, BLUE), RED, BLUE, "u1", RGB, planes=True),
    _row("planes of their own, tiles", "as it is", (RED, BLUE), RED, BLUE, "u1", RGB, planes=True, tile=16, compression=LZW),
    _row(
        "grey and transparency, planes of their own",
        "as it is",
        ((64, 64, 64, 255), (192, 192, 192, 0)),
        (64, 255),
        (192, 0),
        "u1",
        GREY,
        extra(2),
        planes=True,
        more={"alpha": True},
    ),
    _row(
        "colour multiplied by its transparency (associated alpha)",
        "as it is",
        ((*RED, 255), (0, 0, 0, 0)),
        (*RED, 255),
        (0, 0, 0, 0),
        "u1",
        RGB,
        extra(1),
        more={"alpha": True},
    ),
    _row(
        "colour and a channel of which nothing is said (ExtraSamples 0)",
        "without that channel",
        (RED, BLUE),
        (*RED, 99),
        (*BLUE, 0),
        "u1",
        RGB,
        extra(0),
    ),
    _row(
        "colour, transparency and a further channel",
        "without that channel",
        ((*RED, 255), (*BLUE, 0)),
        (*RED, 255, 9),
        (*BLUE, 0, 0),
        "u1",
        RGB,
        extra(2, 0),
        more={"alpha": True},
    ),
    _row(
        "CMYK and a spot ink",
        "without that ink",
        ((40, 35, 43), (255, 255, 255)),
        (0, 0, 0, 255, 200),
        (0, 0, 0, 0, 200),
        "u1",
        CMYK,
        extra(0),
    ),
    _row(
        "CIE L*a*b*, 8 bit", "white is D65, or what WhitePoint says", (RED, (119,) * 3), (113, 61, 41), (128, 0, 0), "u1", CIELAB
    ),
    _row(
        "CIE L*a*b*, 16 bit",
        "white is D65, or what WhitePoint says",
        (RED, (119,) * 3),
        (28940, 15585, 10455),
        (32768, 0, 0),
        "u2",
        CIELAB,
    ),
    _row(
        "ICC L*a*b*, 8 bit",
        "white is D50, or what WhitePoint says",
        (RED, (119,) * 3),
        (115, 190, 171),
        (128, 128, 128),
        "u1",
        ICCLAB,
    ),
    _row(
        "ICC L*a*b*, 16 bit",
        "white is D50, or what WhitePoint says",
        (RED, (119,) * 3),
        (29337, 48543, 43651),
        (32640, 32768, 32768),
        "u2",
        ICCLAB,
    ),
    _row(
        "YCbCr of full resolution",
        "as it is",
        ((254, 0, 0), (0, 255, 1)),
        (76, 85, 255),
        (150, 44, 21),
        "u1",
        YCBCR,
        FULL_YCBCR,
        compression=DEFLATE,
    ),
    _row(
        "without PhotometricInterpretation, one sample of 8 bit or less",
        "white is zero, as in Pillow",
        ((205,) * 3, (55,) * 3),
        (50,),
        (200,),
        "u1",
        None,
    ),
    _refused(
        "without PhotometricInterpretation, others",
        "The TIFF file does not say what its samples mean: it has no PhotometricInterpretation (tag 262).",
        RED,
        BLUE,
        "u1",
        None,
    ),
    _refused(
        "ITU Lab",
        "The TIFF's colours are ITU Lab (PhotometricInterpretation 10), which is not supported.",
        (128, 128, 128),
        (0, 128, 128),
        "u1",
        10,
    ),
    _refused(
        "inks other than CMYK",
        "The TIFF is printed with inks other than CMYK (InkSet), which is not supported.",
        (1, 2, 3, 4),
        (4, 3, 2, 1),
        "u1",
        CMYK,
        {332: (SHORT, (2,))},
    ),
    _refused(
        "old-style JPEG",
        "The TIFF is compressed with old-style JPEG (Compression 6), which can't be read. Save it with LZW or deflate.",
        RED,
        BLUE,
        "u1",
        YCBCR,
        {259: (SHORT, (6,))},
    ),
    _refused(
        "complex numbers",
        "The TIFF's samples are complex numbers or of an unknown type.",
        (1,),
        (2,),
        "u4",
        GREY,
        {339: (SHORT, (6,))},
    ),
    Kind(
        "TIFF",
        "a mask and nothing else",
        "image/tiff",
        _mask,
        "The TIFF file holds no picture: its directories are transparency masks, or empty.",
        refused="invalid_image",
    ),
)

"""Options of a chain: the result's format and encoding, its metadata, and `autorotate` of the input."""

from typing import Annotated, Any, ClassVar, Literal, Self

from msgspec import Meta

from internal.pipeline.containers.formats import LOSSLESS, Modern
from internal.pipeline.operations.operation import Operation, Option
from internal.pipeline.operations.params import Param


class Format(Option, frozen=True, tag="format"):
    """The format of the result. Default: as the input; TIFF, AVIF and HEIF become JPEG, or PNG when they have transparency.

    `auto` makes two files of one picture: the fallback is as without `format`, and beside it a WebP or AVIF that is smaller.
    """

    example: ClassVar[str] = "format:webp"

    name: Annotated[
        Literal["jpeg", "png", "webp", "avif", "gif", "auto"],
        Meta(
            description="Animations stay animations in webp and gif; avif takes seconds to make. "
            "auto: as the input, and beside it a smaller modern file for those whose Accept names it."
        ),
    ]
    modern: Annotated[
        Modern | None,
        Meta(
            description="The modern format of auto; default: as configured. An animation gets webp. "
            "There is no second file where it would not be smaller."
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.modern is not None and self.name != "auto":
            raise ValueError("`modern` goes with `format:auto` only")


class Quality(Option, frozen=True, tag="quality"):
    """How much a lossy format (JPEG, WebP, AVIF) keeps; the others take no notice, nor does a lossless result.

    Flat graphics are WebP without loss where that file is the smaller one, whatever the quality: it is never worse.
    """

    example: ClassVar[str] = "quality:75"

    percent: Annotated[
        int,
        Meta(
            ge=1,
            le=100,
            description="The encoder's own number: 1 is the smallest file, 100 the best picture. "
            "Default: 80, for avif 55, which looks the same.",
        ),
    ]


class Lossless(Option, frozen=True, tag="lossless"):
    """Keep every pixel as it is. Needs `format:png`, `format:webp` or `format:avif`.

    Without it, a PNG that came with a palette may get one again after a resize, where that looks the same.
    """

    example: ClassVar[str] = "format:webp|lossless"


class Progressive(Option, frozen=True, tag="progressive"):
    """Write a JPEG or PNG so that it appears coarse first and then fine. Other formats take no notice. Off by default."""

    example: ClassVar[str] = "progressive"


class MaxBytes(Option, frozen=True, tag="max_bytes"):
    """Lower the quality, as far as needed and no further, until the result has no more bytes than this.

    A result that can't be so small, or whose format has no quality (PNG, GIF, lossless), fails with `output_too_large`.
    """

    example: ClassVar[str] = "max_bytes:50000"

    size: Annotated[int, Meta(ge=1, le=2**31 - 1, description="Bytes. `quality` is where the search begins.")]


class Strip(Option, frozen=True, tag="strip"):
    """Keep no metadata: no EXIF, XMP, GPS, comments or profile. This is the default, and written for clarity only."""

    example: ClassVar[str] = "strip"


class MetadataNames(Param):
    """`icc`, `copyright`, or both with `;` between them."""

    __slots__ = ("names",)
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": "^(icc|copyright)(;(icc|copyright))?$",
        "examples": ["icc", "copyright", "icc;copyright"],
    }
    _KNOWN: ClassVar[tuple[str, ...]] = ("icc", "copyright")

    def __init__(self, names: frozenset[str]) -> None:
        if not names or not names <= set(self._KNOWN):
            raise ValueError("what can be kept is icc, copyright, or icc;copyright")
        self.names = names

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(frozenset(name.strip() for name in text.split(";")))

    def __str__(self) -> str:
        return ";".join(name for name in self._KNOWN if name in self.names)


class Keep(Option, frozen=True, tag="keep"):
    """Keep the colour profile, or who owns the picture. Where it was taken, and all else, never comes along."""

    example: ClassVar[str] = "keep:icc;copyright"

    what: Annotated[
        MetadataNames,
        Meta(
            description="icc: the pixels stay in the input's own profile, which is embedded. They become sRGB where the format "
            "can't hold it, the input is CMYK, or an operation names or makes colours. "
            "copyright: EXIF's Copyright and Artist (not in gif)."
        ),
    ]


class Autorotate(Option, frozen=True, tag="autorotate"):
    """Turn the picture upright first, as its EXIF orientation says. On by default."""

    example: ClassVar[str] = "autorotate:false"

    enabled: Annotated[bool, Meta(description="false: leave the picture as it is stored.")] = True


def contradiction(steps: list[Operation]) -> tuple[Operation, str] | None:
    """The first option that contradicts another option of the chain, and the reason; None if there is none."""
    options = {type(step): step for step in steps if isinstance(step, Option)}
    asked_for = options.get(Format)
    if Lossless in options and not (isinstance(asked_for, Format) and asked_for.name in LOSSLESS):
        return options[Lossless], "`lossless` needs format:png, format:webp or format:avif: no other result keeps every pixel"
    if Keep in options and Strip in options:
        return options[Keep], "give either `strip` or `keep`"
    return None

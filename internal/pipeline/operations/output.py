"""Options of a chain: the result's format and encoding, its metadata, and `autorotate` of the input."""

from typing import Annotated, Any, ClassVar, Literal, Self

from msgspec import Meta

from internal.pipeline.containers.formats import LOSSLESS, Modern
from internal.pipeline.operations.operation import Operation, Option
from internal.pipeline.operations.params import Param


class Format(Option, frozen=True, tag="format"):
    """Format of the result. Default: as the input; TIFF, AVIF and HEIF become JPEG, or PNG if they have transparency.

    `auto` creates two files: the fallback, which is the default format, and a smaller WebP or AVIF.
    """

    example: ClassVar[str] = "format:webp"

    name: Annotated[
        Literal["jpeg", "png", "webp", "avif", "gif", "auto"],
        Meta(
            description="Animations stay animated in webp and gif. avif takes seconds to encode. "
            "auto: as the input, plus a smaller modern file for clients whose Accept header allows it."
        ),
    ]
    modern: Annotated[
        Modern | None,
        Meta(
            description="Modern format of auto. Default: as configured. Animations use webp. "
            "If the second file would not be smaller, there is none."
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.modern is not None and self.name != "auto":
            raise ValueError("`modern` goes with `format:auto` only")


class Quality(Option, frozen=True, tag="quality"):
    """Quality of a lossy format (JPEG, WebP, AVIF). Other formats and lossless results ignore it.

    Flat graphics become lossless WebP if that file is smaller, at any quality.
    """

    example: ClassVar[str] = "quality:75"

    percent: Annotated[
        int,
        Meta(
            ge=1,
            le=100,
            description="The encoder's own scale: 1 is the smallest file, 100 the best picture. "
            "Default: 80; for avif 55, which looks the same.",
        ),
    ]


class Lossless(Option, frozen=True, tag="lossless"):
    """Store every pixel exactly. Needs `format:png`, `format:webp` or `format:avif`.

    Without it, a PNG whose original had a palette may get one again after a resize, if that looks the same.
    """

    example: ClassVar[str] = "format:webp|lossless"


class Progressive(Option, frozen=True, tag="progressive"):
    """Encode a progressive JPEG or interlaced PNG. Other formats ignore it. Off by default."""

    example: ClassVar[str] = "progressive"


class MaxBytes(Option, frozen=True, tag="max_bytes"):
    """Lower the quality only as far as needed for the result to have at most this many bytes.

    A result that can't be so small, or has no quality setting (PNG, GIF, lossless), fails with `output_too_large`.
    """

    example: ClassVar[str] = "max_bytes:50000"

    size: Annotated[int, Meta(ge=1, le=2**31 - 1, description="Bytes. The search begins at `quality`.")]


class Strip(Option, frozen=True, tag="strip"):
    """Remove all metadata: EXIF, XMP, GPS, comments and profile. This is the default."""

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
            raise ValueError("keep takes icc, copyright, or icc;copyright")
        self.names = names

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(frozenset(name.strip() for name in text.split(";")))

    def __str__(self) -> str:
        return ";".join(name for name in self._KNOWN if name in self.names)


class Keep(Option, frozen=True, tag="keep"):
    """Keep the colour profile or the copyright. GPS and all other metadata are always removed."""

    example: ClassVar[str] = "keep:icc;copyright"

    what: Annotated[
        MetadataNames,
        Meta(
            description="icc: pixels stay in the input's profile, which is embedded. They become sRGB if the format "
            "can't hold it, the input is CMYK, or an operation takes or changes colours. "
            "copyright: EXIF's Copyright and Artist (not in gif)."
        ),
    ]


class Autorotate(Option, frozen=True, tag="autorotate"):
    """Rotate the picture by its EXIF orientation first. On by default."""

    example: ClassVar[str] = "autorotate:false"

    enabled: Annotated[bool, Meta(description="false: keep the stored orientation.")] = True


def contradiction(steps: list[Operation]) -> tuple[Operation, str] | None:
    """The first option that contradicts another option of the chain, and the reason; None if there is none."""
    options = {type(step): step for step in steps if isinstance(step, Option)}
    asked_for = options.get(Format)
    if Lossless in options and not (isinstance(asked_for, Format) and asked_for.name in LOSSLESS):
        return options[Lossless], "`lossless` needs format:png, format:webp or format:avif: no other format is lossless"
    if Keep in options and Strip in options:
        return options[Keep], "give either `strip` or `keep`"
    return None

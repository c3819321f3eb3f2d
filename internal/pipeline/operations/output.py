"""Options of the result: `format`, `quality`, `strip`; and of the input: `autorotate`."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from internal.pipeline.operation import Option


class Format(Option, frozen=True, tag="format"):
    """The format of the result. Default: as the input; TIFF becomes JPEG, or PNG when it has transparency."""

    example: ClassVar[str] = "format:webp"

    name: Annotated[Literal["jpeg", "png", "webp", "gif"], Meta(description="Animations stay animations in webp and gif.")]


class Quality(Option, frozen=True, tag="quality"):
    """How much a lossy format (JPEG, WebP) keeps; the others take no notice."""

    example: ClassVar[str] = "quality:75"

    percent: Annotated[int, Meta(ge=1, le=100, description="1 is the smallest file, 100 the best picture; default 80.")]


class Strip(Option, frozen=True, tag="strip"):
    """Keep no metadata: no EXIF, XMP, GPS, comments or profile. This is the default, and written for clarity only."""

    example: ClassVar[str] = "strip"


class Autorotate(Option, frozen=True, tag="autorotate"):
    """Turn the picture upright first, as its EXIF orientation says. On by default."""

    example: ClassVar[str] = "autorotate:false"

    enabled: Annotated[bool, Meta(description="false: leave the picture as it is stored.")] = True

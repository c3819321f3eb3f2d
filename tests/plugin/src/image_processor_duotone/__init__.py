"""`duotone`: map lightness to two colours. Example of an operation in a package of its own."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.plugin import WHITE, Colour, Operation

if TYPE_CHECKING:
    from internal.plugin import Picture, Pixels


class Duotone(Operation, frozen=True, tag="duotone"):
    """From one colour where the picture is black to another where it is white, by lightness; transparency stays."""

    example: ClassVar[str] = "duotone:1a2a6c,light=fdbb2d"
    streams: ClassVar[bool] = True

    dark: Annotated[Colour, Meta(description="What black becomes.")]
    light: Annotated[Colour | None, Meta(description="What white becomes; default: white.")] = None

    def apply(self, picture: "Picture") -> "Picture":
        return picture.with_pixels(self._duotoned)

    def _duotoned(self, pixels: "Pixels") -> "Pixels":
        grey = pixels.colourspace("b-w")
        dark, light = self.dark.rgb, (self.light or WHITE).rgb
        slopes = [(end - begin) / 255 for begin, end in zip(dark, light, strict=True)]
        colours = grey[0].linear(slopes, [begin + 0.5 for begin in dark], uchar=True).copy(interpretation="srgb")
        return colours.bandjoin(grey[1]) if pixels.hasalpha() else colours

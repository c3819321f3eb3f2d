"""`grayscale`: remove colours."""

from typing import TYPE_CHECKING, ClassVar

from internal.pipeline.operations.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Grayscale(Operation, frozen=True, tag="grayscale"):
    """Convert to shades of grey. Transparency does not change."""

    example: ClassVar[str] = "grayscale"
    streams: ClassVar[bool] = True

    def apply(self, picture: "Picture") -> "Picture":
        return picture.with_pixels(lambda pixels: pixels.colourspace("b-w"), colours_only=True)

"""`tint`: draw in shades of one colour."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation
from internal.pipeline.operations.params import Colour

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Tint(Operation, frozen=True, tag="tint"):
    """Draw the picture in shades of one colour. Lightness, black and white do not change.

    In CIE Lab: L is the picture's, a and b are the colour's times 1 - (L / 50 - 1)², so that they fade towards black and white.
    """

    example: ClassVar[str] = "tint:ff8800"
    streams: ClassVar[bool] = True

    colour: Annotated[Colour, Meta(description="Colour of the midtones. Its lightness and opacity are ignored.")]

    def apply(self, picture: "Picture") -> "Picture":
        return picture.tinted(self.colour)

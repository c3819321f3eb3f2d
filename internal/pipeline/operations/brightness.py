"""`brightness`: make lighter or darker."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Brightness(Operation, frozen=True, tag="brightness"):
    """Make the picture lighter or darker: multiply every sRGB value by a factor, as CSS `brightness()` does.

    https://www.w3.org/TR/filter-effects-1/#brightnessEquivalent
    """

    example: ClassVar[str] = "brightness:1.2"
    streams: ClassVar[bool] = True

    factor: Annotated[float, Meta(ge=0, le=10, description="0 is black, 1 changes nothing, 2 is twice as bright.")]

    def apply(self, picture: "Picture") -> "Picture":
        return picture.with_curve(lambda value: value * self.factor)

"""`invert`: make a negative."""

from typing import TYPE_CHECKING, ClassVar

from internal.pipeline.operations.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Invert(Operation, frozen=True, tag="invert"):
    """Invert every sRGB value, as in a negative. Transparency does not change."""

    example: ClassVar[str] = "invert"
    streams: ClassVar[bool] = True

    def apply(self, picture: "Picture") -> "Picture":
        return picture.with_curve(lambda value: 1 - value)

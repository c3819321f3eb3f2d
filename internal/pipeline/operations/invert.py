"""`invert`: make a negative."""

from typing import TYPE_CHECKING, ClassVar

from internal.pipeline.operations.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Invert(Operation, frozen=True, tag="invert"):
    """Make a negative: dark becomes light, each colour its opposite; transparency stays."""

    example: ClassVar[str] = "invert"
    streams: ClassVar[bool] = True

    def apply(self, picture: "Picture") -> "Picture":
        return picture.with_curve(lambda value: 1 - value)

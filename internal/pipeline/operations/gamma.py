"""`gamma`: make midtones lighter or darker."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Gamma(Operation, frozen=True, tag="gamma"):
    """Make midtones lighter or darker: raise every sRGB value, from 0 to 1, to 1/gamma. Black and white do not change."""

    example: ClassVar[str] = "gamma:2.2"
    streams: ClassVar[bool] = True

    exponent: Annotated[float, Meta(ge=0.1, le=10, description="Above 1 is lighter, 1 changes nothing, below 1 is darker.")]

    def apply(self, picture: "Picture") -> "Picture":
        return picture.with_curve(lambda value: float(value ** (1 / self.exponent)))

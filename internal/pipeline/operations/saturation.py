"""`saturation`: make colours stronger or weaker."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Saturation(Operation, frozen=True, tag="saturation"):
    """Make colours stronger or weaker, with the matrix of CSS `saturate()`.

    https://www.w3.org/TR/filter-effects-1/#saturateEquivalent
    """

    example: ClassVar[str] = "saturation:0.8"
    streams: ClassVar[bool] = True

    factor: Annotated[float, Meta(ge=0, le=10, description="0 is grey, 1 changes nothing, 2 is twice as colourful.")]

    def apply(self, picture: "Picture") -> "Picture":
        if picture.is_grey:
            return picture
        rest = 1 - self.factor
        red, green, blue = 0.213 * rest, 0.715 * rest, 0.072 * rest
        return picture.with_matrix(
            [[red + self.factor, green, blue], [red, green + self.factor, blue], [red, green, blue + self.factor]]
        )

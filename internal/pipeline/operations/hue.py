"""`hue`: rotate hues."""

from math import cos, radians, sin
from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture

LUMINANCE = (0.213, 0.715, 0.072)
ROTATED = ((-0.213, -0.715, 0.928), (0.143, 0.140, -0.283), (-0.787, 0.715, 0.072))


class Hue(Operation, frozen=True, tag="hue"):
    """Rotate hues along the colour wheel, with the matrix of CSS `hue-rotate()`.

    https://www.w3.org/TR/filter-effects-1/#huerotateEquivalent
    """

    example: ClassVar[str] = "hue:30"
    streams: ClassVar[bool] = True

    angle: Annotated[float, Meta(ge=-360, le=360, description="Degrees: 0 changes nothing, 120 turns red into green.")]

    def apply(self, picture: "Picture") -> "Picture":
        if picture.is_grey:
            return picture
        across, along = cos(radians(self.angle)), sin(radians(self.angle))
        return picture.with_matrix(
            [
                [
                    LUMINANCE[column] + across * ((row == column) - LUMINANCE[column]) + along * ROTATED[row][column]
                    for column in range(3)
                ]
                for row in range(3)
            ]
        )

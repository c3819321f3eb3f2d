"""`flip`: mirror vertically."""

from typing import TYPE_CHECKING, ClassVar

from internal.pipeline.operations.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Flip(Operation, frozen=True, tag="flip"):
    """Mirror the picture from top to bottom."""

    example: ClassVar[str] = "flip"
    works_in_any_profile: ClassVar[bool] = True

    def apply(self, picture: "Picture") -> "Picture":
        return picture.each_frame(lambda pixels: pixels.flipver())

"""`flop`: mirror horizontally."""

from typing import TYPE_CHECKING, ClassVar

from internal.pipeline.operations.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Flop(Operation, frozen=True, tag="flop"):
    """Mirror the picture from left to right."""

    example: ClassVar[str] = "flop"
    works_in_any_profile: ClassVar[bool] = True
    streams: ClassVar[bool] = True

    def apply(self, picture: "Picture") -> "Picture":
        return picture.with_pixels(lambda pixels: pixels.fliphor())

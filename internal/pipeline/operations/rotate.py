"""`rotate`: rotate by any angle."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation
from internal.pipeline.operations.params import Colour

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Rotate(Operation, frozen=True, tag="rotate"):
    """Rotate the picture clockwise, on a canvas that holds all of it. Right angles are lossless."""

    example: ClassVar[str] = "rotate:90"

    angle: Annotated[float, Meta(ge=-360, le=360, description="Degrees, clockwise; -90 is 270.")]
    background: Annotated[
        Colour | None,
        Meta(description="Colour of the corners. Default: transparent, or white in a format without transparency."),
    ] = None

    @property
    def works_in_any_profile(self) -> bool:
        return self.background is None

    def apply(self, picture: "Picture") -> "Picture":
        angle = self.angle % 360 % 360  # twice: a tiny angle below 0 rounds up to 360 itself
        picture = picture.with_background(self.background)
        if angle % 90:
            return picture.in_memory().rotated(angle, self.background)
        return picture.each_frame(lambda pixels: pixels.rot(f"d{angle:.0f}"))

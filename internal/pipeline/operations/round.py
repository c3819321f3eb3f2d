"""`round`: round corners."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation
from internal.pipeline.operations.params import Colour, Radius

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Round(Operation, frozen=True, tag="round"):
    """Round the corners, or cut the picture to an ellipse: a circle if it is square."""

    example: ClassVar[str] = "round:20"
    streams: ClassVar[bool] = True

    radius: Annotated[
        Radius,
        Meta(description="Radius of the corners in pixels, at most half of the shorter side; `ellipse`: half of each side."),
    ]
    background: Annotated[
        Colour | None,
        Meta(description="Colour of the corners. Default: transparent, or white in a format without transparency."),
    ] = None

    @property
    def works_in_any_profile(self) -> bool:
        return self.background is None

    def apply(self, picture: "Picture") -> "Picture":
        across, down = picture.width / 2, picture.height / 2
        if self.radius.pixels is not None:
            across = down = min(self.radius.pixels, across, down)
        return picture.with_background(self.background).rounded(across, down, self.background)

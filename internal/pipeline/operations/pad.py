"""`pad`: add space around a picture."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.gravity import Place, compass
from internal.pipeline.operations.operation import Operation
from internal.pipeline.operations.params import Colour, Margins, Size

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Pad(Operation, frozen=True, tag="pad"):
    """Add space around the picture, up to a size or by margins. It never crops."""

    example: ClassVar[str] = "pad:200x200,background=ffcc00"
    streams: ClassVar[bool] = True

    size: Annotated[
        Size | None, Meta(description="Size to pad to: WxH, or one side (Wx, xH). A longer side does not change.")
    ] = None
    margin: Annotated[
        Margins | None,
        Meta(description="Instead of a size: margins for all sides, vertical;horizontal, or top;right;bottom;left, in pixels."),
    ] = None
    gravity: Annotated[Place, Meta(description="Position of the picture: a side, a corner, or the centre.")] = "centre"
    background: Annotated[
        Colour | None, Meta(description="Colour of the space. Default: transparent if the picture is, else white.")
    ] = None

    def __post_init__(self) -> None:
        if (self.size is None) == (self.margin is None):
            raise ValueError("give either a size or margin")
        if self.margin is not None and self.gravity != "centre":
            raise ValueError("gravity goes with a size, not with margin")

    @property
    def works_in_any_profile(self) -> bool:
        return self.background is None

    def apply(self, picture: "Picture") -> "Picture":
        wide, high, left, top = self._place(picture.width, picture.height)
        return picture.with_background(self.background).on_canvas(wide, high, left, top, self.background)

    def _place(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Width and height of the canvas, and left and top of the picture on it."""
        if self.margin is not None:
            margin = self.margin
            return width + margin.left + margin.right, height + margin.top + margin.bottom, margin.left, margin.top
        size, (across, down) = self.size or Size(width, height), compass(self.gravity)
        wide, high = max(size.width or 0, width), max(size.height or 0, height)
        return wide, high, round((wide - width) * across), round((high - height) * down)

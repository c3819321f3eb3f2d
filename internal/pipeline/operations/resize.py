"""`resize`: fit a picture to a box."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from msgspec import Meta

from internal.pipeline.operations.gravity import Gravity, check_exclusive, compass, crop_to
from internal.pipeline.operations.operation import Operation
from internal.pipeline.operations.params import Colour, Point, Size

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture

Fit = Literal["contain", "cover", "fill", "inside", "outside"]


class Resize(Operation, frozen=True, tag="resize"):
    """Fit the picture to a box, in pixels. It is not enlarged unless `enlarge` is true."""

    example: ClassVar[str] = "resize:300x200,fit=cover,gravity=attention"

    size: Annotated[Size, Meta(description="The box: WxH, or one side (Wx, xH); the other follows from the aspect ratio.")]
    fit: Annotated[
        Fit,
        Meta(
            description="inside: fits within the box. outside: covers the box without cropping. cover: covers the box and is "
            "cropped. contain: fits within the box, padded with the background. fill: exactly the box, ignoring the aspect ratio."
        ),
    ] = "inside"
    gravity: Annotated[
        Gravity,
        Meta(
            description="The part that cover keeps, and the position of the picture in contain: a side, a corner, "
            "or for cover the part with the most attention or entropy."
        ),
    ] = "centre"
    focal: Annotated[
        Point | None, Meta(description="Instead of gravity: the point that cover keeps as close to the centre as possible.")
    ] = None
    enlarge: Annotated[bool, Meta(description="Also enlarge pictures that are smaller than the box.")] = False
    background: Annotated[
        Colour | None, Meta(description="Colour of the padding in contain. Default: transparent if the picture is, else white.")
    ] = None

    def __post_init__(self) -> None:
        check_exclusive(self.gravity, self.focal)

    @property
    def streams(self) -> bool:
        return self.fit != "cover"

    def box(self, width: int, height: int) -> tuple[int, int]:
        """The box for a picture of this size. An omitted side follows from the aspect ratio."""
        across, down = self._scales(width, height)
        return self.size.width or max(1, round(width * across)), self.size.height or max(1, round(height * down))

    def _scales(self, width: int, height: int) -> tuple[float, float]:
        """Horizontal and vertical scale. An omitted side has exactly the other side's scale, without rounding to pixels first."""
        wide, high = self.size.width, self.size.height
        return (wide / width if wide else (high or 0) / height), (high / height if high else (wide or 0) / width)

    def target_size(self, width: int, height: int) -> tuple[int, int]:
        across, down = self._scales(width, height)
        if self.fit in ("contain", "inside"):
            across = down = min(across, down)
        elif self.fit in ("cover", "outside"):
            across = down = max(across, down)
        if not self.enlarge:
            across, down = min(across, 1.0), min(down, 1.0)
        return max(1, round(width * across)), max(1, round(height * down))

    @property
    def works_in_any_profile(self) -> bool:
        return self.background is None

    def apply(self, picture: "Picture") -> "Picture":
        wide, high = self.box(picture.width, picture.height)
        picture = picture.with_background(self.background).scaled(*self.target_size(picture.width, picture.height))
        if self.fit == "cover":
            return crop_to(picture, wide, high, self.gravity, self.focal)
        if self.fit == "contain":
            across, down = compass(self.gravity)
            left, top = round((wide - picture.width) * across), round((high - picture.height) * down)
            return picture.on_canvas(wide, high, left, top, self.background)
        return picture

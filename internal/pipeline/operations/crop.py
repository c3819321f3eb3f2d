"""`crop`: crop to a rectangle."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.domain.errors import InvalidProcessing
from internal.pipeline.operations.gravity import Gravity, check_exclusive, crop_to
from internal.pipeline.operations.operation import Operation
from internal.pipeline.operations.params import Point, Region

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Crop(Operation, frozen=True, tag="crop"):
    """Keep a rectangle, in pixels of the picture at this point of the chain; what lies beyond its edges is left out."""

    example: ClassVar[str] = "crop:300x200+10+20"
    works_in_any_profile: ClassVar[bool] = True

    region: Annotated[
        Region,
        Meta(description="The rectangle: width, height, distance from the left and from the top; WxH alone goes by gravity."),
    ]
    gravity: Annotated[
        Gravity,
        Meta(description="What WxH keeps: a side, a corner, or the part that draws attention or has the most entropy."),
    ] = "centre"
    focal: Annotated[
        Point | None, Meta(description="The point that WxH keeps as near the middle as it can, instead of gravity.")
    ] = None

    def __post_init__(self) -> None:
        check_exclusive(self.gravity, self.focal)
        if self.region.corner is not None and (self.gravity != "centre" or self.focal is not None):
            raise ValueError("give either +X+Y, or gravity or focal")

    def apply(self, picture: "Picture") -> "Picture":
        region = self.region
        if region.corner is None:
            return crop_to(picture, region.width, region.height, self.gravity, self.focal)
        left, top = region.corner
        wide, high = min(region.width, picture.width - left), min(region.height, picture.height - top)
        if wide <= 0 or high <= 0:
            raise InvalidProcessing(
                f"`crop:{region}` lies outside of the picture, which is {picture.width}x{picture.height} here."
            )
        return picture.cropped(left, top, wide, high)

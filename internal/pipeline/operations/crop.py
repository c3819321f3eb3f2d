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
    """Crop to a rectangle, in pixels of the picture at this point of the chain. It is clipped to the picture."""

    example: ClassVar[str] = "crop:300x200+10+20"
    works_in_any_profile: ClassVar[bool] = True

    region: Annotated[
        Region,
        Meta(description="The rectangle: width, height, left and top. For WxH alone, gravity sets the position."),
    ]
    gravity: Annotated[
        Gravity,
        Meta(description="The part that WxH keeps: a side, a corner, or the part with the most attention or entropy."),
    ] = "centre"
    focal: Annotated[
        Point | None, Meta(description="Instead of gravity: the point that WxH keeps as close to the centre as possible.")
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

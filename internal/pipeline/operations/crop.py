"""`crop`: keep a rectangle."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.errors import InvalidProcessing
from internal.pipeline.notation import Region
from internal.pipeline.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.picture import Picture


class Crop(Operation, frozen=True, tag="crop"):
    """Keep a rectangle, in pixels of the picture at this point of the chain; what lies beyond its edges is left out."""

    example: ClassVar[str] = "crop:300x200+10+20"

    region: Annotated[Region, Meta(description="The rectangle: width, height, distance from the left and from the top.")]

    def apply(self, picture: "Picture") -> "Picture":
        region = self.region
        wide, high = min(region.width, picture.width - region.left), min(region.height, picture.height - region.top)
        if wide <= 0 or high <= 0:
            raise InvalidProcessing(
                f"`crop:{region}` lies outside of the picture, which is {picture.width}x{picture.height} here."
            )
        return picture.cropped(region.left, region.top, wide, high)

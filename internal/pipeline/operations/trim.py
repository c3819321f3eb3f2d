"""`trim`: crop a border of one colour."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation
from internal.pipeline.operations.params import Colour

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Trim(Operation, frozen=True, tag="trim"):
    """Cut off a border of one colour. All frames are cut alike; a picture that is nothing but border stays as it is."""

    example: ClassVar[str] = "trim:20"

    threshold: Annotated[
        float,
        Meta(ge=0, le=255, description="How far a pixel may be off the border's colour, in the channel that is furthest off."),
    ] = 10
    background: Annotated[Colour | None, Meta(description="The border's colour; default: that of the top left pixel.")] = None

    @property
    def works_in_any_profile(self) -> bool:
        return self.background is None

    def apply(self, picture: "Picture") -> "Picture":
        picture = picture.in_memory()
        box = picture.content_box(self.threshold, self.background)
        return picture.cropped(*box) if box else picture

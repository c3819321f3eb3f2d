"""`trim`: crop a border of one colour."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation
from internal.pipeline.operations.params import Colour

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Trim(Operation, frozen=True, tag="trim"):
    """Crop a border of one colour. All frames are cropped alike. A picture of one colour does not change."""

    example: ClassVar[str] = "trim:20"

    threshold: Annotated[
        float,
        Meta(ge=0, le=255, description="The largest difference from the border's colour in any channel."),
    ] = 10
    background: Annotated[Colour | None, Meta(description="Colour of the border. Default: that of the top left pixel.")] = None

    @property
    def works_in_any_profile(self) -> bool:
        return self.background is None

    def apply(self, picture: "Picture") -> "Picture":
        picture = picture.in_memory()
        box = picture.content_box(self.threshold, self.background)
        return picture.cropped(*box) if box else picture

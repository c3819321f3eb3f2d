"""`pixelate`: draw large square blocks."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Pixelate(Operation, frozen=True, tag="pixelate"):
    """Draw the picture in square blocks, each in its average colour."""

    example: ClassVar[str] = "pixelate:8"
    works_in_any_profile: ClassVar[bool] = True
    streams: ClassVar[bool] = True

    block: Annotated[int, Meta(ge=2, le=1000, description="Side of a block, in pixels.")]

    def apply(self, picture: "Picture") -> "Picture":
        return picture.pixelated(self.block)

"""`thumbnail`: fit a picture to a square."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation
from internal.pipeline.operations.params import MAX_SIDE, Size
from internal.pipeline.operations.resize import Resize

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Thumbnail(Operation, frozen=True, tag="thumbnail"):
    """Fit the picture inside a square, in pixels: short for `resize:SIZExSIZE`."""

    example: ClassVar[str] = "thumbnail:200"
    works_in_any_profile: ClassVar[bool] = True

    size: Annotated[int, Meta(ge=1, le=MAX_SIDE, description="Side of the square, in pixels.")]

    streams: ClassVar[bool] = True

    def _resize(self) -> Resize:
        return Resize(Size(self.size, self.size))

    def target_size(self, width: int, height: int) -> tuple[int, int]:
        return self._resize().target_size(width, height)

    def apply(self, picture: "Picture") -> "Picture":
        return self._resize().apply(picture)

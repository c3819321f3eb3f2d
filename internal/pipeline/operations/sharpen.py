"""`sharpen`: sharpen edges."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture
    from internal.pipeline.vips.pixels import Pixels


class Sharpen(Operation, frozen=True, tag="sharpen"):
    """Sharpen edges, in lightness only. `sigma` in pixels of the picture at this point of the chain."""

    example: ClassVar[str] = "sharpen:1"
    works_in_any_profile: ClassVar[bool] = True

    sigma: Annotated[float, Meta(ge=0.3, le=10, description="Standard deviation of the mask, in pixels.")] = 0.5

    def apply(self, picture: "Picture") -> "Picture":
        return picture.in_memory().with_bled_colours(3 * self.sigma).each_frame(self._sharpened, colours_only=True)

    def _sharpened(self, pixels: "Pixels") -> "Pixels":
        return pixels.sharpen(sigma=self.sigma).colourspace(pixels.interpretation)

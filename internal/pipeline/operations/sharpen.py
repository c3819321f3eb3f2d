"""`sharpen`: crisper edges."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.picture import Picture, Pixels


class Sharpen(Operation, frozen=True, tag="sharpen"):
    """Sharpen edges, in lightness only. `sigma` in pixels of the picture at this point of the chain."""

    example: ClassVar[str] = "sharpen:1"

    sigma: Annotated[float, Meta(ge=0.3, le=10, description="Standard deviation of the mask, in pixels.")] = 0.5

    def apply(self, picture: "Picture") -> "Picture":
        def sharpened(pixels: "Pixels") -> "Pixels":
            return pixels.sharpen(sigma=self.sigma).colourspace(pixels.interpretation)

        return picture.in_memory().each_frame(sharpened, colours_only=True)

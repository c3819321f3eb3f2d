"""`blur`: Gaussian blur."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.picture import Picture


TAIL = 0.02
"""Where the bell is cut off, as a share of its height. libvips' own 0.2 cuts so early that the blur is visibly smaller than sigma says."""


class Blur(Operation, frozen=True, tag="blur"):
    """Gaussian blur. `sigma` in pixels of the picture at this point of the chain."""

    example: ClassVar[str] = "blur:3"

    sigma: Annotated[float, Meta(ge=0.3, le=100, description="Standard deviation, in pixels; 3 is clearly soft.")]

    def apply(self, picture: "Picture") -> "Picture":
        return picture.in_memory().each_frame(lambda pixels: pixels.gaussblur(self.sigma, min_ampl=TAIL), premultiplied=True)

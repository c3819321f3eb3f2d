"""`blur`: Gaussian blur."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture
    from internal.pipeline.vips.pixels import Pixels


TAIL = 0.02
"""Height at which the Gaussian is cut off. libvips' default of 0.2 makes a visibly smaller blur than sigma says."""
LARGEST_SIGMA = 10.0
"""Pixels. A stronger blur is computed on a smaller picture and enlarged: it looks the same and saves seconds."""


class Blur(Operation, frozen=True, tag="blur"):
    """Gaussian blur. `sigma` in pixels of the picture at this point of the chain."""

    example: ClassVar[str] = "blur:3"
    works_in_any_profile: ClassVar[bool] = True

    sigma: Annotated[float, Meta(ge=0.3, le=100, description="Standard deviation in pixels; 3 is visibly soft.")]

    def apply(self, picture: "Picture") -> "Picture":
        return picture.in_memory().each_frame(self._blurred, premultiplied=True)

    def _blurred(self, pixels: "Pixels") -> "Pixels":
        if self.sigma <= LARGEST_SIGMA:
            return _gaussian(pixels, self.sigma)
        times = 2 * self.sigma / LARGEST_SIGMA
        across, down = (max(1, round(side / times)) / side for side in (pixels.width, pixels.height))
        small = _gaussian(pixels.resize(across, vscale=down), self.sigma * max(across, down))
        return small.resize(pixels.width / small.width, vscale=pixels.height / small.height)


def _gaussian(pixels: "Pixels", sigma: float) -> "Pixels":
    """The blur computed in 16 bits: libvips' fast path for 8 bits makes a picture up to 3 % darker or lighter."""
    if pixels.format != "uchar":
        return pixels.gaussblur(sigma, min_ampl=TAIL)
    return pixels.cast("ushort").gaussblur(sigma, min_ampl=TAIL).cast("uchar")

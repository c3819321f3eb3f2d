"""`blur`: Gaussian blur."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture, Pixels


TAIL = 0.02
"""Where the bell is cut off, as a share of its height. libvips' own 0.2 makes a blur that is clearly smaller than sigma says."""
LARGEST_SIGMA = 10.0
"""In pixels. A stronger blur is made of a smaller picture and enlarged again, which looks the same and does not cost seconds."""


class Blur(Operation, frozen=True, tag="blur"):
    """Gaussian blur. `sigma` in pixels of the picture at this point of the chain."""

    example: ClassVar[str] = "blur:3"
    in_any_colours: ClassVar[bool] = True

    sigma: Annotated[float, Meta(ge=0.3, le=100, description="Standard deviation, in pixels; 3 is clearly soft.")]

    def apply(self, picture: "Picture") -> "Picture":
        return picture.in_memory().each_frame(self._blurred, premultiplied=True)

    def _blurred(self, pixels: "Pixels") -> "Pixels":
        if self.sigma <= LARGEST_SIGMA:
            return _exactly(pixels, self.sigma)
        times = 2 * self.sigma / LARGEST_SIGMA
        across, down = (max(1, round(side / times)) / side for side in (pixels.width, pixels.height))
        small = _exactly(pixels.resize(across, vscale=down), self.sigma * max(across, down))
        return small.resize(pixels.width / small.width, vscale=pixels.height / small.height)


def _exactly(pixels: "Pixels", sigma: float) -> "Pixels":
    """By way of 16 bits: libvips' quick way for 8 bits makes a picture up to 3 % darker or lighter."""
    if pixels.format != "uchar":
        return pixels.gaussblur(sigma, min_ampl=TAIL)
    return pixels.cast("ushort").gaussblur(sigma, min_ampl=TAIL).cast("uchar")

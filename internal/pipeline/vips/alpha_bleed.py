"""Alpha bleeding: fully transparent pixels take the colour of their neighbours, so that filters do not mix hidden colours in."""

from internal.pipeline.vips.pixels import Pixels


def bleed_colours(pixels: Pixels, radius: float) -> Pixels:
    """The pixels with fully transparent ones in the mean visible colour within about `radius` pixels. Alpha does not change."""
    alpha = pixels[pixels.bands - 1]
    around = pixels.premultiply().gaussblur(radius, min_ampl=0.01).unpremultiply()
    seen, mean = (image.extract_band(0, n=pixels.bands - 1) for image in (pixels, around.rint().cast(pixels.format)))
    return (alpha == 0).ifthenelse(mean, seen).bandjoin(alpha)

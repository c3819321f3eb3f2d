"""The colours of pixels that nobody sees: whatever a program has left there must not show when neighbours are looked at."""

from typing import TypeAlias

import pyvips

Pixels: TypeAlias = pyvips.Image


def filled(pixels: Pixels, reach: float) -> Pixels:
    """Wholly transparent pixels get the mean colour of what is seen within some `reach` pixels of them; alpha stays."""
    alpha = pixels[pixels.bands - 1]
    around = pixels.premultiply().gaussblur(reach, min_ampl=0.01).unpremultiply()
    seen, mean = (image.extract_band(0, n=pixels.bands - 1) for image in (pixels, around.rint().cast(pixels.format)))
    return (alpha == 0).ifthenelse(mean, seen).bandjoin(alpha)

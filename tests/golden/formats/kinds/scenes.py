"""The scene in the colour types that several formats share."""

import pyvips

from tests import pictures
from tests.golden.formats.kind import SCENE, Quarters, greys, opaque
from tests.profiles import grey_profile

GREYS = greys(40, 120, 200, 250)
INKS = opaque((0, 155, 228), (234, 23, 133), (255, 240, 0), (40, 35, 43))
"""`inks` in sRGB by libvips' own CMYK profile (8.18.7): cyan, magenta, yellow and black."""


def _half_clear(colours: Quarters) -> Quarters:
    return tuple((*colour[:3], 0 if number % 2 else 255) for number, colour in enumerate(colours))


HALF_CLEAR, GREY_HALF_CLEAR = _half_clear(SCENE), _half_clear(GREYS)
"""`pictures.alpha_scene`: the right half is transparent."""


def grey() -> pyvips.Image:
    """Four quarters of plain greys."""
    return four(*((colour[0],) for colour in GREYS)).copy(interpretation="b-w")


def grey_alpha() -> pyvips.Image:
    return grey().bandjoin(pictures.alpha_scene()[3]).copy(interpretation="b-w")


def deep() -> pyvips.Image:
    """16 bits per channel."""
    return pictures.scene().colourspace("rgb16")


def wide() -> pyvips.Image:
    """In the P3 colour space, with its profile."""
    return pictures.scene().icc_transform("p3", input_profile="srgb")


def profiled_grey() -> pyvips.Image:
    """The greys for a gamma of 1.5, with a profile of it."""
    shown = grey() / 255
    light = (shown <= 0.04045).ifthenelse(shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    stored = (light ** (1 / 1.5) * 255).rint().cast("uchar").copy(interpretation="b-w")
    stored.set_type(pyvips.GValue.blob_type, "icc-profile-data", grey_profile(gamma=1.5))
    return stored


def lying(orientation: int) -> pyvips.Image:
    """The scene stored with this orientation (2 to 8), which the savers of libvips write as EXIF."""
    stored = pictures.turned_back(orientation, 64, 48).copy()
    stored.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return stored


def inks() -> pyvips.Image:
    """Four quarters, each one full ink of CMYK."""
    return four((255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255)).copy(interpretation="cmyk")


def four(*colours: tuple[int, ...]) -> pyvips.Image:
    """Four plain quarters of 32x24 pixels, 8 bit."""
    parts = [pyvips.Image.black(32, 24, bands=len(colour)).linear(0, list(colour)).cast("uchar") for colour in colours]
    return pyvips.Image.arrayjoin(parts, across=2)

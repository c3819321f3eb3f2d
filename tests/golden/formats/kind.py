"""A kind of file: how to create it and its expected result."""

from collections.abc import Callable

from msgspec import Struct

from tests import pictures

Colour = tuple[int, ...]
"""Red, green, blue and alpha, 8 bit sRGB."""
Quarters = tuple[Colour, ...]
"""Colours at the centres of the four quarters: top left, top right, bottom left, bottom right."""


def opaque(*colours: tuple[int, int, int]) -> Quarters:
    return tuple((*colour, 255) for colour in colours)


def greys(*values: int) -> Quarters:
    return tuple((value, value, value, 255) for value in values)


SCENE = opaque(*pictures.QUARTERS)
"""Expected colours of `pictures.scene`, upright."""


class Kind(Struct, frozen=True):
    """One row of docs/formats.md, and one test.

    `shown` describes in words how the file is shown. `colours` are those of an sRGB PNG of its first frame, within `within` steps
    of 255. `refused` is the error code of a file that is refused; `shown` is then its sentence. `frames` is the number of frames
    of an animation; `first_of`: the file has this many frames and only the first is shown. `profile`: there is a profile for
    `keep:icc`. `alpha`: a part is transparent; `may_be_clear`: the file has alpha, but no transparent pixel.
    """

    format: str
    name: str
    media_type: str
    data: Callable[[], bytes]
    shown: str
    colours: Quarters = SCENE
    within: int = 3
    alpha: bool = False
    frames: int = 1
    first_of: int = 1
    profile: bool = False
    may_be_clear: bool = False
    refused: str | None = None

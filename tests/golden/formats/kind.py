"""One kind of file: how it is made, and what is right for it."""

from collections.abc import Callable

from msgspec import Struct

from tests import pictures

Colour = tuple[int, ...]
"""Red, green, blue and alpha, 8 bit sRGB."""
Quarters = tuple[Colour, ...]
"""Colours in the middle of the four quarters: top left, top right, bottom left, bottom right."""


def opaque(*colours: tuple[int, int, int]) -> Quarters:
    return tuple((*colour, 255) for colour in colours)


def greys(*values: int) -> Quarters:
    return tuple((value, value, value, 255) for value in values)


SCENE = opaque(*pictures.QUARTERS)
"""What shows `pictures.scene`, upright."""


class Kind(Struct, frozen=True):
    """One row of docs/formats.md, and one test.

    `shown` says in words how the file is shown; `colours` is what an sRGB PNG of its first frame must have, up to `within` steps
    of 255. `refused` is the code of what can't be shown: `shown` is then the sentence that says so.
    `frames` are those of an animation; `first_of`: so many are in the file, and only the first is shown.
    `profile`: `keep:icc` has something to keep. `alpha`: a part of it is transparent; `may_be_clear`: the file says that a part
    may be, though none is.
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

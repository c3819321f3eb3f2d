"""An original as its file keeps it, before anything is turned."""

from msgspec import Struct


class Dimensions(Struct, frozen=True):
    """One frame's `width` and `height` in pixels as stored, the EXIF `orientation` (1 to 8) that turns it upright, and how many
    frames there are, also where only the first is shown."""

    width: int
    height: int
    orientation: int
    frames: int = 1


def oversized_side(width: int, height: int, max_width: int, max_height: int) -> str | None:
    """The side that is longer than it may be, all in pixels, and how long it may be, in words; None when both are within."""
    if width > max_width:
        return f"a width of {max_width} is the most"
    return f"a height of {max_height} is the most" if height > max_height else None

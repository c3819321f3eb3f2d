"""Dimensions of an original as stored in the file, before any rotation."""

from msgspec import Struct


class Dimensions(Struct, frozen=True):
    """Stored `width` and `height` of one frame in pixels, the EXIF `orientation` (1 to 8), and the number of frames."""

    width: int
    height: int
    orientation: int
    frames: int = 1


def oversized_side(width: int, height: int, max_width: int, max_height: int) -> str | None:
    """A phrase that names the side that exceeds its limit, in pixels; None if both are within the limits."""
    if width > max_width:
        return f"the maximum width is {max_width}"
    return f"the maximum height is {max_height}" if height > max_height else None

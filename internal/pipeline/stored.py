"""An original as its file keeps it, before anything is turned."""

from msgspec import Struct


class StoredPicture(Struct, frozen=True):
    """One frame's `width` and `height` in pixels as stored, the EXIF `orientation` (1 to 8) that turns it upright, and how many
    frames there are, also where only the first is shown."""

    width: int
    height: int
    orientation: int
    frames: int = 1

"""GIF files looked over without libvips, which drops the frames that a cut animation lacks and calls the rest whole.

Files of more blocks than any program writes are refused: to walk through them would itself take seconds.
"""

from pathlib import Path
from typing import BinaryIO

from internal.errors import InvalidImage

MAX_GIF_BLOCKS = 2**20
"""They have 255 bytes each, but for the last one of a frame."""


def require_whole_gif(source: Path) -> None:
    """Raise InvalidImage unless the GIF's blocks reach its trailer: a cut animation is not processed in part."""
    with source.open("rb") as file:
        try:
            _walk_gif(file)
        except (IndexError, ValueError) as error:
            raise InvalidImage("The GIF file is cut short or damaged.") from error


def _walk_gif(file: BinaryIO) -> None:
    """Raises IndexError where bytes are missing, ValueError where there is a block of no known kind or there are too many."""
    header, left = file.read(13), MAX_GIF_BLOCKS
    _skip_colours(file, header[10])
    while (kind := file.read(1)[0]) != 0x3B:
        if kind == 0x21:  # extension: its label, then sub-blocks
            file.seek(1, 1)
        elif kind == 0x2C:  # image: its place and size, perhaps colours, the width of its codes, then sub-blocks
            _skip_colours(file, file.read(9)[8])
            file.seek(1, 1)
        else:
            raise ValueError(f"unknown block {kind:#x}")
        left -= _skip_blocks(file, left)


def _skip_blocks(file: BinaryIO, most: int) -> int:
    """How many there were, the empty one that ends them too."""
    for number in range(most):
        length = file.read(1)[0]
        if not length:
            return number + 1
        file.seek(length, 1)
    raise ValueError("more blocks than a picture needs")


def _skip_colours(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 * 2 ** ((flags & 0x07) + 1), 1)

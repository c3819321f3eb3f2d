"""What must be known of a file's blocks before libvips sees it. Pure Python, streaming, constant memory.

JPEG, PNG and TIFF have modules of their own. GIF: libvips drops the frames that a cut animation lacks and calls the rest whole.

Files of more blocks than any camera or program writes are refused: to walk through them would itself take seconds.
"""

from pathlib import Path
from typing import BinaryIO

from internal.errors import InvalidImage
from internal.pipeline.jpeg_scans import require_plausible_jpeg
from internal.pipeline.png_chunks import lean_png
from internal.pipeline.tiff_directory import require_whole_tiff

MAX_GIF_BLOCKS = 2**20
"""They have 255 bytes each, but for the last one of a frame."""


def looked_over(source: Path, media_type: str, copy: Path) -> Path:
    """The path of what libvips may read: `source`, or `copy`, which is written when something has to be left out.

    Raises InvalidImage for what is cut short, is not what it says, or was made to be slow.
    """
    match media_type:
        case "image/png":
            return lean_png(source, copy)
        case "image/gif":
            require_whole_gif(source)
        case "image/jpeg":
            require_plausible_jpeg(source)
        case "image/tiff":
            require_whole_tiff(source)
    return source


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

"""docs/pictures/demo.jpg, from what `make demo` leaves: `python -m documents.picture demo` writes it anew."""

import sys
from pathlib import Path

import pyvips

from internal.runtime.project import PROJECT

PICTURE = PROJECT / "docs" / "pictures" / "demo.jpg"
SHOWN = (
    "originals/landscape.jpg",
    "landscape-square.jpeg",
    "landscape-grey-webp.webp",
    "landscape-upside-down.jpeg",
    "badge-on-paper.jpeg",
)
"""Files of the demo's folder, from left to right."""
HEIGHT, GAP, QUALITY = 180, 10, 85


def side_by_side(folder: Path) -> bytes:
    """A JPEG with the files side by side, `HEIGHT` pixels high. Raises pyvips.Error when one of them is missing."""
    row = [pyvips.Image.thumbnail(str(folder / name), 10_000, height=HEIGHT) for name in SHOWN]
    joined = row[0]
    for further in row[1:]:
        joined = joined.join(further, "horizontal", expand=True, shim=GAP, background=[255])
    content: bytes = joined.jpegsave_buffer(Q=QUALITY, keep="none", optimize_coding=True)
    return content


if __name__ == "__main__":
    PICTURE.write_bytes(side_by_side(Path(sys.argv[1])))

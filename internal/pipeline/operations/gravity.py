"""Gravity: the position of a rectangle inside a picture, by side, corner, focal point, or content."""

from typing import TYPE_CHECKING, Literal

from internal.pipeline.operations.params import Point

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture

Place = Literal["centre", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest"]
Gravity = Literal[Place, "attention", "entropy"]


def compass(gravity: Gravity) -> tuple[float, float]:
    """The shares of spare space to the left and above, from 0 to 1. Gravities that are no side or corner mean the centre."""
    across = 0.0 if gravity.endswith("west") else 1.0 if gravity.endswith("east") else 0.5
    down = 0.0 if gravity.startswith("north") else 1.0 if gravity.startswith("south") else 0.5
    return across, down


def check_exclusive(gravity: Gravity, focal: Point | None) -> None:
    """Raises ValueError if both gravity and focal point are given."""
    if focal is not None and gravity != "centre":
        raise ValueError("give either gravity or focal")


def crop_to(picture: "Picture", width: int, height: int, gravity: Gravity, focal: Point | None) -> "Picture":
    """The picture cropped to this size, or to its own where that is smaller. `attention` and `entropy` compute now."""
    wide, high = min(width, picture.width), min(height, picture.height)
    spare_x, spare_y = picture.width - wide, picture.height - high
    if focal is not None:
        left = min(max(round(focal.x * picture.width - wide / 2), 0), spare_x)
        top = min(max(round(focal.y * picture.height - high / 2), 0), spare_y)
    elif gravity in ("attention", "entropy"):
        picture = picture.in_memory()
        left, top = picture.smartcrop(wide, high, gravity)
    else:
        across, down = compass(gravity)
        left, top = round(spare_x * across), round(spare_y * down)
    return picture.cropped(left, top, wide, high)

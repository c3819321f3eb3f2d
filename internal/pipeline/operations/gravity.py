"""Where a rectangle goes that may go anywhere: at a side, in a corner, around a point, or where something is to be seen."""

from typing import TYPE_CHECKING, Literal

from internal.pipeline.operations.params import Point

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture

Place = Literal["centre", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest"]
Gravity = Literal[Place, "attention", "entropy"]


def compass(gravity: Gravity) -> tuple[float, float]:
    """A side or corner as the shares of spare room to the left and above; what is neither is the centre."""
    across = 0.0 if gravity.endswith("west") else 1.0 if gravity.endswith("east") else 0.5
    down = 0.0 if gravity.startswith("north") else 1.0 if gravity.startswith("south") else 0.5
    return across, down


def require_one(gravity: Gravity, focal: Point | None) -> None:
    """Raises ValueError when both say where to look."""
    if focal is not None and gravity != "centre":
        raise ValueError("give either gravity or focal")


def cut_out(picture: "Picture", width: int, height: int, gravity: Gravity, focal: Point | None) -> "Picture":
    """The rectangle of this size, or of the picture's where that is less. `attention` and `entropy` compute now."""
    wide, high = min(width, picture.width), min(height, picture.height)
    spare_x, spare_y = picture.width - wide, picture.height - high
    if focal is not None:
        left = min(max(round(focal.x * picture.width - wide / 2), 0), spare_x)
        top = min(max(round(focal.y * picture.height - high / 2), 0), spare_y)
    elif gravity in ("attention", "entropy"):
        picture = picture.in_memory()
        left, top = picture.liveliest(wide, high, gravity)
    else:
        across, down = compass(gravity)
        left, top = round(spare_x * across), round(spare_y * down)
    return picture.cropped(left, top, wide, high)

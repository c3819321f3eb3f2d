"""`rotate`: turn by right angles."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.picture import Picture


class Rotate(Operation, frozen=True, tag="rotate"):
    """Turn the picture clockwise by right angles, in degrees. Nothing is lost or blurred."""

    example: ClassVar[str] = "rotate:90"

    angle: Annotated[int, Meta(multiple_of=90, ge=-270, le=270, description="Degrees, clockwise: 90, 180 or 270; -90 is 270.")]

    def apply(self, picture: "Picture") -> "Picture":
        turn = f"d{self.angle % 360}"
        return picture.each_frame(lambda pixels: pixels.rot(turn))

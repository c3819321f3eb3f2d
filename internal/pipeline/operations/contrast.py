"""`contrast`: raise or lower contrast."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Contrast(Operation, frozen=True, tag="contrast"):
    """Raise or lower the contrast: move every sRGB value away from middle grey or towards it, as CSS `contrast()` does.

    https://www.w3.org/TR/filter-effects-1/#contrastEquivalent
    """

    example: ClassVar[str] = "contrast:1.1"
    streams: ClassVar[bool] = True

    factor: Annotated[float, Meta(ge=0, le=10, description="0 is plain grey, 1 changes nothing, 2 is twice the contrast.")]

    def apply(self, picture: "Picture") -> "Picture":
        return picture.with_curve(lambda value: (value - 0.5) * self.factor + 0.5)

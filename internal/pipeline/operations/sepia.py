"""`sepia`: brown tones of old photographs."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Operation

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Sepia(Operation, frozen=True, tag="sepia"):
    """Apply the brown tones of old photographs, with the matrix of CSS `sepia()`.

    https://www.w3.org/TR/filter-effects-1/#sepiaEquivalent
    """

    example: ClassVar[str] = "sepia"
    streams: ClassVar[bool] = True

    amount: Annotated[float, Meta(ge=0, le=1, description="0 changes nothing, 1 is full sepia.")] = 1

    def apply(self, picture: "Picture") -> "Picture":
        rest = 1 - self.amount
        return picture.with_matrix(
            [
                [0.393 + 0.607 * rest, 0.769 - 0.769 * rest, 0.189 - 0.189 * rest],
                [0.349 - 0.349 * rest, 0.686 + 0.314 * rest, 0.168 - 0.168 * rest],
                [0.272 - 0.272 * rest, 0.534 - 0.534 * rest, 0.131 + 0.869 * rest],
            ]
        )

"""`watermark`: another picture, or words, over this one."""

from math import cos, radians, sin
from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.errors import InvalidProcessing
from internal.pipeline.operations.gravity import Place, compass
from internal.pipeline.operations.operation import Operation
from internal.pipeline.operations.params import MAX_SIDE, WHITE, Colour, ImageId
from internal.pipeline.operations.rotate import Rotate
from internal.pipeline.operations.text import Text

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture

_TEXT_SCALE = 0.3
_DRAFT = 64.0
"""Pixels: the size at which a text is set to see how wide it is."""
_SMALLEST = 8.0
"""Pixels: smaller letters are set at this size, then made smaller."""


class Watermark(Operation, frozen=True, tag="watermark"):
    """Lay another of your images, or a text, over the picture: over each frame of an animation, and never larger than it."""

    example: ClassVar[str] = "watermark:text=© Example Ltd.,gravity=southeast,opacity=0.6,margin=20"

    image: Annotated[
        ImageId | None,
        Meta(
            description="The id of an uploaded image of the same owner: its original, upright; of an animation the first frame."
        ),
    ] = None
    text: Annotated[
        Text | None,
        Meta(
            description="Words instead of an image, at most 200 letters. Percent-encode | , = [ ] and % (also in JSON): "
            "Hello%2C world; %0A begins a new line."
        ),
    ] = None
    gravity: Annotated[Place, Meta(description="Where it goes: a side, a corner, or the centre.")] = "centre"
    opacity: Annotated[float, Meta(ge=0, le=1, description="0 can't be seen, 1 is as opaque as the watermark itself.")] = 1.0
    scale: Annotated[
        Annotated[float, Meta(ge=0.001, le=1)] | None,
        Meta(description="Its width before it is turned, as a share of the picture's. Default: an image's own; for a text 0.3."),
    ] = None
    margin: Annotated[
        int, Meta(ge=0, le=MAX_SIDE, description="Pixels to the picture's edges; with repeat also between two of them.")
    ] = 0
    repeat: Annotated[bool, Meta(description="Again and again, all over the picture; gravity says where the first one is.")] = (
        False
    )
    angle: Annotated[float, Meta(ge=-360, le=360, description="Turns the watermark clockwise, in degrees.")] = 0.0
    size: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_SIDE)] | None,
        Meta(description="Of a text, instead of scale: the height of its letters (em), in pixels."),
    ] = None
    colour: Annotated[Colour | None, Meta(description="Of a text; default: white.")] = None

    def __post_init__(self) -> None:
        if (self.image is None) == (self.text is None):
            raise ValueError("give either the id of an image or a text")
        if self.image is not None and (self.size is not None or self.colour is not None):
            raise ValueError("size and colour are a text's")
        if self.size is not None and self.scale is not None:
            raise ValueError("give either scale or size")

    @property
    def streams(self) -> bool:
        """An image may hide whole rows, which would never be looked at."""
        return self.text is not None

    @property
    def references(self) -> tuple[str, ...]:
        return () if self.image is None else (str(self.image),)

    def apply(self, picture: "Picture") -> "Picture":
        left, top, wide, high = self._room(picture)
        mark = self._image(picture) if self.text is None else self._lettering(picture, self.text.value)
        if self.angle % 360 % 360:
            mark = Rotate(self.angle).apply(mark)
        mark = mark.cropped(0, 0, min(mark.width, wide), min(mark.height, high))  # a turned one may stand out by a rounded pixel
        mark = mark.faded(self.opacity * self._ink.alpha / 255).in_memory()
        across, down = compass(self.gravity)
        left, top = left + round((wide - mark.width) * across), top + round((high - mark.height) * down)
        if self.repeat:
            return picture.under(mark.tiled(picture.width, picture.height, left, top, self.margin), 0, 0)
        return picture.under(mark, left, top)

    @property
    def _ink(self) -> Colour:
        return self.colour or WHITE

    def _room(self, picture: "Picture") -> tuple[int, int, int, int]:
        """Left, top, width and height of what lies within the margins, which always leave a pixel."""
        left, top = (min(self.margin, (side - 1) // 2) for side in (picture.width, picture.height))
        return left, top, picture.width - 2 * left, picture.height - 2 * top

    def _image(self, picture: "Picture") -> "Picture":
        mark = picture.overlays.get(str(self.image))
        if mark is None:
            raise InvalidProcessing(f"The picture {self.image}, which is to be laid over this one, is not there.")
        factor = self._factor(picture, mark, self.scale * picture.width / mark.width if self.scale else 1.0)
        return mark.scaled(max(1, round(mark.width * factor)), max(1, round(mark.height * factor)))

    def _lettering(self, picture: "Picture", text: str) -> "Picture":
        draft = picture.lettering(text, _DRAFT, self._ink)
        wanted = self.size / _DRAFT if self.size else (self.scale or _TEXT_SCALE) * picture.width / draft.width
        factor = self._factor(picture, draft, wanted)
        if _DRAFT * factor < _SMALLEST:
            small = picture.lettering(text, _SMALLEST, self._ink)
            return small.scaled(max(1, round(draft.width * factor)), max(1, round(draft.height * factor)))
        return picture.lettering(text, _DRAFT * factor, self._ink)

    def _factor(self, picture: "Picture", mark: "Picture", wanted: float) -> float:
        """By how much `mark` is scaled: as wanted, or less, so that it fits within the margins when it is turned."""
        _, _, wide, high = self._room(picture)
        across, down = abs(cos(radians(self.angle))), abs(sin(radians(self.angle)))
        turned = mark.width * across + mark.height * down, mark.width * down + mark.height * across
        return min(wanted, wide / turned[0], high / turned[1])

"""`watermark`: overlay another image or text."""

from math import cos, radians, sin
from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from internal.domain.errors import InvalidProcessing
from internal.pipeline.operations.gravity import Place, compass
from internal.pipeline.operations.operation import Operation
from internal.pipeline.operations.params import MAX_SIDE, WHITE, Colour, ImageId
from internal.pipeline.operations.rotate import Rotate
from internal.pipeline.operations.text_param import Text

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture

_TEXT_SCALE = 0.3
_MEASURING_SIZE = 64.0
"""Pixels: the text size at which its width is measured."""
_MIN_TEXT_SIZE = 8.0
"""Pixels: smaller text is drawn at this size and scaled down."""


class Watermark(Operation, frozen=True, tag="watermark"):
    """Overlay another of your images, or a text, on every frame. It is scaled down to fit the picture."""

    example: ClassVar[str] = "watermark:text=© Example Ltd.,gravity=southeast,opacity=0.6,margin=20"

    image: Annotated[
        ImageId | None,
        Meta(description="Id of an image of the same owner. Its upright original is used, or the first frame of an animation."),
    ] = None
    text: Annotated[
        Text | None,
        Meta(
            description="Text instead of an image, at most 200 characters. Percent-encode | , = [ ] and % (also in JSON): "
            "Hello%2C world; %0A is a line break."
        ),
    ] = None
    gravity: Annotated[Place, Meta(description="Position: a side, a corner, or the centre.")] = "centre"
    opacity: Annotated[float, Meta(ge=0, le=1, description="0 is invisible, 1 keeps the watermark's own opacity.")] = 1.0
    scale: Annotated[
        Annotated[float, Meta(ge=0.001, le=1)] | None,
        Meta(
            description="Width before rotation as a share of the picture's width. Default: an image's own width; 0.3 for a text."
        ),
    ] = None
    margin: Annotated[
        int,
        Meta(
            ge=0, le=MAX_SIDE, description="Distance to the picture's edges in pixels; with repeat also between two watermarks."
        ),
    ] = 0
    repeat: Annotated[bool, Meta(description="Repeat it over the whole picture, starting at gravity.")] = False
    angle: Annotated[float, Meta(ge=-360, le=360, description="Clockwise rotation of the watermark in degrees.")] = 0.0
    size: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_SIDE)] | None,
        Meta(description="Text only, instead of scale: font size (em) in pixels."),
    ] = None
    colour: Annotated[Colour | None, Meta(description="Text only. Default: white.")] = None

    def __post_init__(self) -> None:
        if (self.image is None) == (self.text is None):
            raise ValueError("give either the id of an image or a text")
        if self.image is not None and (self.size is not None or self.colour is not None):
            raise ValueError("size and colour need a text")
        if self.size is not None and self.scale is not None:
            raise ValueError("give either scale or size")

    @property
    def streams(self) -> bool:
        """True for text. An image may hide whole rows, which would then never be read."""
        return self.text is not None

    @property
    def references(self) -> tuple[str, ...]:
        return () if self.image is None else (str(self.image),)

    def apply(self, picture: "Picture") -> "Picture":
        left, top, wide, high = self._area(picture)
        overlay = self._image(picture) if self.text is None else self._text_overlay(picture, self.text.value)
        if self.angle % 360 % 360:
            overlay = Rotate(self.angle).apply(overlay)
        overlay = overlay.cropped(
            0, 0, min(overlay.width, wide), min(overlay.height, high)
        )  # rotation may add a pixel by rounding
        overlay = overlay.with_opacity(self.opacity * self._ink.alpha / 255).in_memory()
        across, down = compass(self.gravity)
        left, top = left + round((wide - overlay.width) * across), top + round((high - overlay.height) * down)
        if self.repeat:
            return picture.composited(overlay.tiled(picture.width, picture.height, left, top, self.margin), 0, 0)
        return picture.composited(overlay, left, top)

    @property
    def _ink(self) -> Colour:
        return self.colour or WHITE

    def _area(self, picture: "Picture") -> tuple[int, int, int, int]:
        """Left, top, width and height of the area inside the margins, which is never empty."""
        left, top = (min(self.margin, (side - 1) // 2) for side in (picture.width, picture.height))
        return left, top, picture.width - 2 * left, picture.height - 2 * top

    def _image(self, picture: "Picture") -> "Picture":
        overlay = picture.overlays.get(str(self.image))
        if overlay is None:
            raise InvalidProcessing(f"The watermark's image {self.image} does not exist.")
        factor = self._factor(picture, overlay, self.scale * picture.width / overlay.width if self.scale else 1.0)
        return overlay.scaled(max(1, round(overlay.width * factor)), max(1, round(overlay.height * factor)))

    def _text_overlay(self, picture: "Picture", text: str) -> "Picture":
        draft = picture.of_text(text, _MEASURING_SIZE, self._ink)
        wanted = self.size / _MEASURING_SIZE if self.size else (self.scale or _TEXT_SCALE) * picture.width / draft.width
        factor = self._factor(picture, draft, wanted)
        if _MEASURING_SIZE * factor < _MIN_TEXT_SIZE:
            small = picture.of_text(text, _MIN_TEXT_SIZE, self._ink)
            return small.scaled(max(1, round(draft.width * factor)), max(1, round(draft.height * factor)))
        return picture.of_text(text, _MEASURING_SIZE * factor, self._ink)

    def _factor(self, picture: "Picture", overlay: "Picture", wanted: float) -> float:
        """The scale of `overlay`: as wanted, or less, so that it fits inside the margins after rotation."""
        _, _, wide, high = self._area(picture)
        across, down = abs(cos(radians(self.angle))), abs(sin(radians(self.angle)))
        turned = overlay.width * across + overlay.height * down, overlay.width * down + overlay.height * across
        return min(wanted, wide / turned[0], high / turned[1])

"""A picture between loading and saving: pixels in 8 bit sRGB or grey, with or without alpha, all frames of an animation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import cos, radians, sin
from typing import TypeAlias

import pyvips

from internal.pipeline.operations.params import WHITE, Colour
from internal.pipeline.vips.alpha_bleed import filled
from internal.pipeline.vips.colour import Matrix, beside_alpha, in_colour, through_curve, through_matrix, tinted
from internal.pipeline.vips.composite import faded, laid_over, tiled
from internal.pipeline.vips.masks import masked, rounded_box
from internal.pipeline.vips.pixelate import in_squares
from internal.pipeline.vips.scaling import Covered, divided, multiplied, reduced
from internal.pipeline.vips.text import lettering
from internal.pipeline.vips.trim import content_box

Pixels: TypeAlias = pyvips.Image
PixelsFn: TypeAlias = Callable[[Pixels], Pixels]
TRANSPARENT = Colour(255, 255, 255, 0)
MAX_PLAYS = 2**16 - 1
"""GIF and WebP count how often an animation plays in 16 bits; savers would make a number beyond it one for ever."""


@dataclass(frozen=True)
class Picture:
    """Immutable, as libvips' images are: each method returns another picture, and computes nothing yet unless it says so.

    `pixels` holds all frames, one below the other and all of one height. `delays` in milliseconds, one a frame; `loop` is how
    often an animation plays, 0 for ever. `background` is what transparency is laid over when the result can't hold it. `overlays`
    are the other pictures that the chain names, by image id.
    """

    pixels: Pixels
    frames: int = 1
    delays: list[int] = field(default_factory=list)
    loop: int = 0
    background: Colour = WHITE
    overlays: Mapping[str, Picture] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Of one frame, in pixels."""
        return int(self.pixels.width)

    @property
    def height(self) -> int:
        """Of one frame, in pixels."""
        return int(self.pixels.height) // self.frames

    @property
    def has_alpha(self) -> bool:
        return bool(self.pixels.hasalpha())

    @property
    def is_grey(self) -> bool:
        """Whether it has one channel, with or without alpha, instead of three for colour."""
        return bool(self.pixels.bands < 3)

    @property
    def first(self) -> Pixels:
        """The first frame's pixels."""
        return self.pixels if self.frames == 1 else self.pixels.crop(0, 0, self.width, self.height)

    def with_pixels(self, change: PixelsFn, *, colours_only: bool = False) -> Picture:
        """`change` applied to all frames at once: for what treats each pixel, or each row, by itself.

        `colours_only`: `change` does not see the alpha channel, which stays as it is.
        """
        return replace(self, pixels=(beside_alpha(change) if colours_only else change)(self.pixels))

    def each_frame(self, change: PixelsFn, *, premultiplied: bool = False, colours_only: bool = False) -> Picture:
        """`change` applied to every frame by itself, so that neighbours don't run into each other; all must come out of one size.

        `premultiplied`: for what mixes neighbouring pixels. The colour of transparent ones then counts for nothing.
        `colours_only`: as in with_pixels.
        """
        if colours_only:
            change = beside_alpha(change)
        if premultiplied and self.has_alpha:
            change = _premultiplied(change)
        if self.frames == 1:
            return replace(self, pixels=change(self.pixels))
        return replace(self, pixels=pyvips.Image.arrayjoin([change(pixels) for pixels in self._each_frame()], across=1))

    def _each_frame(self) -> list[Pixels]:
        return [self.pixels.crop(0, number * self.height, self.width, self.height) for number in range(self.frames)]

    def scaled(self, width: int, height: int, *, premultiplied: bool = False, covered: Covered | None = None) -> Picture:
        """Resampled (Lanczos 3) to exactly this size in pixels.

        `premultiplied`: the colours come multiplied by alpha already. They never leave so. `covered`: how many columns and rows
        the picture has of an opaque still, if not all of the last ones; it is made smaller.
        """
        if covered is not None:
            return self.with_pixels(lambda pixels: reduced(pixels, (width, height), covered))
        if (width, height) == (self.width, self.height):
            return self
        across, down = width / self.width, height / self.height
        ready = self.with_pixels(multiplied) if self.has_alpha and not premultiplied else self
        if self.frames == 1 or max(across, down) > 1:
            made = ready.each_frame(lambda pixels: pixels.resize(across, vscale=down))
        else:  # rows of two frames must not be mixed; columns are those of one frame anyway, and all at once they cost less
            made = ready.each_frame(lambda pixels: pixels.resize(1, vscale=down))
            made = made.with_pixels(lambda pixels: pixels.resize(across, vscale=1))
        return made.with_pixels(divided) if self.has_alpha else made

    def with_hidden_colours_filled(self, reach: float) -> Picture:
        """As in hidden.filled. What looks at neighbours then takes a transparent one for more of the same."""
        return self.each_frame(lambda pixels: filled(pixels, reach)) if self.has_alpha else self

    def cropped(self, left: int, top: int, width: int, height: int) -> Picture:
        """The rectangle, which must lie within the picture."""
        if (width, height) == (self.width, self.height):
            return self
        return self.each_frame(lambda pixels: pixels.crop(left, top, width, height))

    def on_canvas(self, width: int, height: int, left: int, top: int, colour: Colour | None) -> Picture:
        """Laid on a plain canvas; without a `colour` that is transparent where the picture may be, else white."""
        if (width, height) == (self.width, self.height):
            return self
        ink = colour or (TRANSPARENT if self.has_alpha else WHITE)
        ready = self.with_pixels(lambda pixels: _able_to_hold(pixels, ink))
        values = ink_for(ready.pixels, ink)
        return ready.each_frame(lambda pixels: pixels.embed(left, top, width, height, extend="background", background=values))

    def turned(self, angle: float, colour: Colour | None) -> Picture:
        """Turned clockwise by any angle in degrees, on a canvas that holds all of it; its corners are of `colour`, else clear."""
        ink = colour or TRANSPARENT
        ready = self.with_pixels(lambda pixels: _able_to_hold(pixels, ink))
        values = _premultiplied_ink(ready.pixels, ink)
        across, down = cos(radians(angle)), sin(radians(angle))
        options = {"interpolate": pyvips.Interpolate.new("bicubic"), "background": values, "premultiplied": True}
        return ready.each_frame(lambda pixels: pixels.affine([across, -down, down, across], **options), premultiplied=True)

    def rounded(self, across: float, down: float, colour: Colour | None) -> Picture:
        """Corners cut off along an ellipse with these radii in pixels; `colour` takes their place, else they are clear."""
        mask = rounded_box(self.width, self.height, across, down)
        if colour is None:
            return self.with_pixels(lambda pixels: masked(pixels, mask.replicate(1, self.frames)))
        ready = self.with_pixels(lambda pixels: _able_to_hold(pixels, colour))
        values = _premultiplied_ink(ready.pixels, colour)
        return ready.each_frame(lambda pixels: mask.ifthenelse(pixels, values, blend=True), premultiplied=True)

    def in_squares(self, side: int) -> Picture:
        """In squares of one colour, of this side in pixels, each the average of what it covers. Computes now."""
        return self.each_frame(lambda pixels: in_squares(pixels, side), premultiplied=True)

    def recoloured(self, curve: Callable[[float], float]) -> Picture:
        """Each colour value `v`, from 0 to 1, becomes `curve(v)`; what lies beyond 0 and 1 is clipped."""
        return self.with_pixels(lambda pixels: through_curve(pixels, curve))

    def mixed(self, matrix: Matrix) -> Picture:
        """Red, green and blue become the three rows of `matrix` times red, green and blue; the result is in colour."""
        return self.with_pixels(lambda pixels: through_matrix(pixels, matrix))

    def tinted(self, colour: Colour) -> Picture:
        """In shades of one colour, from black to white."""
        return self.with_pixels(lambda pixels: tinted(pixels, colour.rgb))

    def liveliest(self, width: int, height: int, by: str) -> tuple[int, int]:
        """Left and top of the rectangle of this size with the most `attention` or `entropy` in frame one. Computes now."""
        cut = self.first.smartcrop(width, height, interesting=by)
        return -cut.xoffset, -cut.yoffset

    def content(self, threshold: float, colour: Colour | None) -> tuple[int, int, int, int] | None:
        """Left, top, width and height of what is not border, all frames together; None when nothing else is there. Computes now.

        The border is what differs from the `colour`, by default the top left pixel's, by no more than `threshold` in any channel.
        """
        ground = ink_for(self.pixels, colour) if colour else self.pixels.getpoint(0, 0)
        boxes = [box for pixels in self._each_frame() if (box := content_box(pixels, ground, threshold))]
        if not boxes:
            return None
        left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
        return left, top, max(box[2] for box in boxes) - left, max(box[3] for box in boxes) - top

    def faded(self, opacity: float) -> Picture:
        """With alpha: `opacity`, from 0 to 1, times what it has."""
        return self.with_pixels(lambda pixels: faded(pixels, opacity))

    def tiled(self, width: int, height: int, left: int, top: int, gap: int) -> Picture:
        """A still with alpha, again and again over this size in pixels, `gap` apart; one has its top left corner there."""
        return self.with_pixels(lambda pixels: tiled(pixels, (width, height), (left, top), gap))

    def under(self, mark: Picture, left: int, top: int) -> Picture:
        """With `mark`, a still with alpha that lies within it, laid over every frame; grey as long as both are."""
        ready = self if mark.is_grey else self.with_pixels(in_colour)
        return ready.each_frame(lambda pixels: laid_over(pixels, mark.pixels, left, top))

    def lettering(self, text: str, size: float, colour: Colour) -> Picture:
        """Another picture: `text` in letters of this size (em) in pixels, cut to its ink. Raises InvalidProcessing."""
        return Picture(lettering(text, size, colour))

    def over(self, colour: Colour | None) -> Picture:
        """The same pixels, to be laid over this colour where the result can't hold transparency; None: as before."""
        return self if colour is None else replace(self, background=colour)

    def flattened(self) -> Picture:
        """Without transparency: laid over the background."""
        if not self.has_alpha:
            return self
        opaque = Colour(*self.background.rgb)
        ready = self.with_pixels(lambda pixels: _able_to_hold(pixels, opaque))
        return ready.with_pixels(lambda pixels: pixels.flatten(background=ink_for(pixels, opaque)[:-1]))

    def in_memory(self) -> Picture:
        """Computed now and held in memory; costs nothing when it is already. Raises pyvips.Error for what is wrong with its file.

        For what looks at many neighbours of a pixel: libvips keeps no result, and would compute what lies before once a look.
        """
        return self.with_pixels(lambda pixels: pixels.copy_memory())

    def with_animation_notes(self, max_delay: int) -> Pixels:
        """Pixels that a saver understands: frame height, delays and loop noted for an animation, none of it for a still.

        A frame that is to be seen longer than `max_delay`, in milliseconds, is seen for as long as that.
        """
        noted = self.pixels.copy()
        for name in ("page-height", "n-pages", "delay", "loop"):
            if noted.get_typeof(name):
                noted.remove(name)
        if self.frames > 1:
            noted.set_type(pyvips.GValue.gint_type, "page-height", self.height)
            delays = [min(delay, max_delay) for delay in (self.delays or [100] * self.frames)[: self.frames]]
            noted.set_type(pyvips.GValue.array_int_type, "delay", delays)
            noted.set_type(pyvips.GValue.gint_type, "loop", min(self.loop, MAX_PLAYS))
        return noted


def ink_for(pixels: Pixels, colour: Colour) -> list[int]:
    """The colour as one number a band."""
    grey = pixels.bands < 3
    return [*(colour.rgb[:1] if grey else colour.rgb), *([colour.alpha] if pixels.hasalpha() else [])]


def _able_to_hold(pixels: Pixels, colour: Colour) -> Pixels:
    if len(set(colour.rgb)) > 1:
        pixels = in_colour(pixels)
    return pixels if colour.alpha == 255 or pixels.hasalpha() else pixels.addalpha()


def _premultiplied(change: PixelsFn) -> PixelsFn:
    """Rounded before it is cast, which would cut off: a colour that comes out as 199.99 is 200."""
    return lambda pixels: change(pixels.premultiply()).unpremultiply().rint().cast(pixels.format)


def _premultiplied_ink(pixels: Pixels, colour: Colour) -> list[float]:
    """The colour as one number a band, as it stands among premultiplied pixels."""
    *values, last = ink_for(pixels, colour)
    return [*(value * colour.alpha / 255 for value in values), last] if pixels.hasalpha() else [*values, last]

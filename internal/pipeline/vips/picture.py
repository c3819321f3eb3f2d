"""Picture: decoded pixels between loading and saving, in 8 bit sRGB or grey, with or without alpha, all frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import cos, radians, sin

import pyvips

from internal.pipeline.operations.params import WHITE, Colour
from internal.pipeline.vips.alpha_bleed import bleed_colours
from internal.pipeline.vips.colour import ColourMatrix, apply_curve, apply_matrix, excluding_alpha, tint, to_rgb
from internal.pipeline.vips.composite import apply_opacity, composite, tile
from internal.pipeline.vips.masks import apply_mask, rounded_rectangle
from internal.pipeline.vips.pixelate import pixelate
from internal.pipeline.vips.pixels import Pixels, PixelsFn
from internal.pipeline.vips.scaling import CoveredArea, premultiply, shrink_partial, unpremultiply
from internal.pipeline.vips.text import render_text
from internal.pipeline.vips.trim import content_box

TRANSPARENT = Colour(255, 255, 255, 0)
MAX_PLAYS = 2**16 - 1
"""GIF and WebP store the number of plays in 16 bits. For a larger number, savers would write 0, which is endless."""


@dataclass(frozen=True)
class Picture:
    """An immutable picture. Each method returns a new one and is lazy, as libvips is, unless its docstring says "computes now".

    `pixels` holds all frames, one below the other and all of one height. `delays` has milliseconds, one per frame. `loop` is the
    number of plays, 0 for endless. `background` is the colour behind transparent pixels in a format without alpha. `overlays` are
    the other pictures that the chain references, by image id.
    """

    pixels: Pixels
    frames: int = 1
    delays: list[int] = field(default_factory=list)
    loop: int = 0
    background: Colour = WHITE
    overlays: Mapping[str, Picture] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Width of one frame, in pixels."""
        return int(self.pixels.width)

    @property
    def height(self) -> int:
        """Height of one frame, in pixels."""
        return int(self.pixels.height) // self.frames

    @property
    def has_alpha(self) -> bool:
        return bool(self.pixels.hasalpha())

    @property
    def is_grey(self) -> bool:
        """True if the picture has one colour channel instead of three, with or without alpha."""
        return bool(self.pixels.bands < 3)

    @property
    def first_frame(self) -> Pixels:
        """Pixels of the first frame."""
        return self.pixels if self.frames == 1 else self.pixels.crop(0, 0, self.width, self.height)

    def with_pixels(self, change: PixelsFn, *, colours_only: bool = False) -> Picture:
        """`change` applied to all frames at once, for functions that treat each pixel, or each row, independently.

        `colours_only`: `change` gets the colours without the alpha channel, which does not change.
        """
        return replace(self, pixels=(excluding_alpha(change) if colours_only else change)(self.pixels))

    def each_frame(self, change: PixelsFn, *, premultiplied: bool = False, colours_only: bool = False) -> Picture:
        """`change` applied to each frame separately, so that frames do not bleed into each other. All results must have one size.

        `premultiplied`: set it for functions that mix neighbouring pixels, so that the colour of transparent ones has no weight.
        `colours_only`: as in with_pixels.
        """
        if colours_only:
            change = excluding_alpha(change)
        if premultiplied and self.has_alpha:
            change = _premultiplied(change)
        if self.frames == 1:
            return replace(self, pixels=change(self.pixels))
        return replace(self, pixels=pyvips.Image.arrayjoin([change(pixels) for pixels in self._each_frame()], across=1))

    def _each_frame(self) -> list[Pixels]:
        return [self.pixels.crop(0, number * self.height, self.width, self.height) for number in range(self.frames)]

    def scaled(self, width: int, height: int, *, premultiplied: bool = False, covered: CoveredArea | None = None) -> Picture:
        """Resampled (Lanczos 3) to exactly this size in pixels.

        `premultiplied`: the colours are multiplied by alpha already; the result is not. `covered`: the area that an opaque still
        covers when it fills its last column or row only in part; it can only be scaled down.
        """
        if covered is not None:
            return self.with_pixels(lambda pixels: shrink_partial(pixels, (width, height), covered))
        if (width, height) == (self.width, self.height):
            return self
        across, down = width / self.width, height / self.height
        ready = self.with_pixels(premultiply) if self.has_alpha and not premultiplied else self
        if self.frames == 1 or max(across, down) > 1:
            resized = ready.each_frame(lambda pixels: pixels.resize(across, vscale=down))
        else:  # rows of two frames must not mix; columns belong to one frame, and resizing them all at once is cheaper
            resized = ready.each_frame(lambda pixels: pixels.resize(1, vscale=down))
            resized = resized.with_pixels(lambda pixels: pixels.resize(across, vscale=1))
        return resized.with_pixels(unpremultiply) if self.has_alpha else resized

    def with_bled_colours(self, radius: float) -> Picture:
        """Transparent pixels take the colour of visible ones within about `radius` pixels: see alpha_bleed.bleed_colours."""
        return self.each_frame(lambda pixels: bleed_colours(pixels, radius)) if self.has_alpha else self

    def cropped(self, left: int, top: int, width: int, height: int) -> Picture:
        """The rectangle of the picture with this corner and size, in pixels. It must lie within the picture."""
        if (width, height) == (self.width, self.height):
            return self
        return self.each_frame(lambda pixels: pixels.crop(left, top, width, height))

    def on_canvas(self, width: int, height: int, left: int, top: int, colour: Colour | None) -> Picture:
        """Placed on a canvas of one colour. The default is transparent if the picture has alpha, else white."""
        if (width, height) == (self.width, self.height):
            return self
        fill = colour or (TRANSPARENT if self.has_alpha else WHITE)
        ready = self.with_pixels(lambda pixels: _with_bands_for(pixels, fill))
        values = band_values(ready.pixels, fill)
        return ready.each_frame(lambda pixels: pixels.embed(left, top, width, height, extend="background", background=values))

    def rotated(self, angle: float, colour: Colour | None) -> Picture:
        """Rotated clockwise by any angle in degrees, on a canvas that holds all of it. Corners are `colour` or transparent."""
        fill = colour or TRANSPARENT
        ready = self.with_pixels(lambda pixels: _with_bands_for(pixels, fill))
        values = _premultiplied_values(ready.pixels, fill)
        across, down = cos(radians(angle)), sin(radians(angle))
        options = {"interpolate": pyvips.Interpolate.new("bicubic"), "background": values, "premultiplied": True}
        return ready.each_frame(lambda pixels: pixels.affine([across, -down, down, across], **options), premultiplied=True)

    def rounded(self, across: float, down: float, colour: Colour | None) -> Picture:
        """With elliptic corners of these radii in pixels. What is cut off becomes `colour` or transparent."""
        mask = rounded_rectangle(self.width, self.height, across, down)
        if colour is None:
            return self.with_pixels(lambda pixels: apply_mask(pixels, mask.replicate(1, self.frames)))
        ready = self.with_pixels(lambda pixels: _with_bands_for(pixels, colour))
        values = _premultiplied_values(ready.pixels, colour)
        return ready.each_frame(lambda pixels: mask.ifthenelse(pixels, values, blend=True), premultiplied=True)

    def pixelated(self, block: int) -> Picture:
        """As square blocks with sides of `block` pixels, each in its average colour. Computes now."""
        return self.each_frame(lambda pixels: pixelate(pixels, block), premultiplied=True)

    def with_curve(self, curve: Callable[[float], float]) -> Picture:
        """Each colour value `v`, from 0 to 1, becomes `curve(v)`, clipped to that range."""
        return self.with_pixels(lambda pixels: apply_curve(pixels, curve))

    def with_matrix(self, matrix: ColourMatrix) -> Picture:
        """Each (red, green, blue) is multiplied by the 3 x 3 `matrix`. A grey picture becomes a colour one."""
        return self.with_pixels(lambda pixels: apply_matrix(pixels, matrix))

    def tinted(self, colour: Colour) -> Picture:
        """In shades of one colour, from black to white."""
        return self.with_pixels(lambda pixels: tint(pixels, colour.rgb))

    def smartcrop(self, width: int, height: int, by: str) -> tuple[int, int]:
        """Left and top of the rectangle of this size with the most `attention` or `entropy` in the first frame. Computes now."""
        cut = self.first_frame.smartcrop(width, height, interesting=by)
        return -cut.xoffset, -cut.yoffset

    def content_box(self, threshold: float, colour: Colour | None) -> tuple[int, int, int, int] | None:
        """Left, top, width and height of the content inside the border, over all frames; None if all is border. Computes now.

        A pixel is border if no channel differs from `colour` (default: the top left pixel's) by more than `threshold`.
        """
        ground = band_values(self.pixels, colour) if colour else self.pixels.getpoint(0, 0)
        boxes = [box for pixels in self._each_frame() if (box := content_box(pixels, ground, threshold))]
        if not boxes:
            return None
        left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
        return left, top, max(box[2] for box in boxes) - left, max(box[3] for box in boxes) - top

    def with_opacity(self, opacity: float) -> Picture:
        """With alpha multiplied by `opacity`, from 0 to 1."""
        return self.with_pixels(lambda pixels: apply_opacity(pixels, opacity))

    def tiled(self, width: int, height: int, left: int, top: int, gap: int) -> Picture:
        """A still with alpha, repeated over an area of this size, `gap` pixels apart. One tile begins at `left`, `top`."""
        return self.with_pixels(lambda pixels: tile(pixels, (width, height), (left, top), gap))

    def composited(self, overlay: Picture, left: int, top: int) -> Picture:
        """With `overlay`, a still with alpha that fits inside, composited over every frame. Stays grey if both are grey."""
        ready = self if overlay.is_grey else self.with_pixels(to_rgb)
        return ready.each_frame(lambda pixels: composite(pixels, overlay.pixels, left, top))

    @staticmethod
    def of_text(text: str, size: float, colour: Colour) -> Picture:
        """A new picture of `text`, `size` (em) in pixels, cropped to its ink. Raises InvalidProcessing for missing characters."""
        return Picture(render_text(text, size, colour))

    def with_background(self, colour: Colour | None) -> Picture:
        """With another `background`; None changes nothing."""
        return self if colour is None else replace(self, background=colour)

    def flattened(self) -> Picture:
        """Without alpha: composited over the background."""
        if not self.has_alpha:
            return self
        opaque = Colour(*self.background.rgb)
        ready = self.with_pixels(lambda pixels: _with_bands_for(pixels, opaque))
        return ready.with_pixels(lambda pixels: pixels.flatten(background=band_values(pixels, opaque)[:-1]))

    def in_memory(self) -> Picture:
        """Computed now and held in memory; free if it is there already. Raises pyvips.Error for damage in the file.

        Use it before a step that reads pixels several times: libvips caches no result, and would recompute all steps before it.
        """
        return self.with_pixels(lambda pixels: pixels.copy_memory())

    def with_animation_metadata(self, max_delay: int) -> Pixels:
        """Pixels with the libvips fields of an animation (frame height, delays, loop) that savers read; a still has none.

        Delays are clipped to `max_delay`, in milliseconds.
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


def band_values(pixels: Pixels, colour: Colour) -> list[int]:
    """The colour as one number per band of `pixels`."""
    grey = pixels.bands < 3
    return [*(colour.rgb[:1] if grey else colour.rgb), *([colour.alpha] if pixels.hasalpha() else [])]


def _with_bands_for(pixels: Pixels, colour: Colour) -> Pixels:
    if len(set(colour.rgb)) > 1:
        pixels = to_rgb(pixels)
    return pixels if colour.alpha == 255 or pixels.hasalpha() else pixels.addalpha()


def _premultiplied(change: PixelsFn) -> PixelsFn:
    """`change` applied to premultiplied pixels. Rounds before it casts: 199.99 becomes 200."""
    return lambda pixels: change(pixels.premultiply()).unpremultiply().rint().cast(pixels.format)


def _premultiplied_values(pixels: Pixels, colour: Colour) -> list[float]:
    """The colour as one number per band of premultiplied pixels."""
    *values, last = band_values(pixels, colour)
    return [*(value * colour.alpha / 255 for value in values), last] if pixels.hasalpha() else [*values, last]

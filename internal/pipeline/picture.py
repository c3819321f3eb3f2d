"""A picture between loading and saving: pixels in 8 bit sRGB or grey, with or without alpha, all frames of an animation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import pyvips

from internal.pipeline.notation import WHITE, Colour

Pixels: TypeAlias = pyvips.Image
PixelsFn: TypeAlias = Callable[[Pixels], Pixels]
TRANSPARENT = Colour(255, 255, 255, 0)


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
    def first(self) -> Pixels:
        """The first frame's pixels."""
        return self.pixels if self.frames == 1 else self.pixels.crop(0, 0, self.width, self.height)

    def with_pixels(self, change: PixelsFn) -> Picture:
        """`change` applied to all frames at once: for what treats each pixel, or each row, by itself."""
        return replace(self, pixels=change(self.pixels))

    def each_frame(self, change: PixelsFn, *, premultiplied: bool = False) -> Picture:
        """`change` applied to every frame by itself, so that neighbours don't run into each other; all must come out of one size.

        `premultiplied`: for what mixes neighbouring pixels. The colour of transparent ones then counts for nothing.
        """
        if premultiplied and self.has_alpha:
            change = _premultiplied(change)
        if self.frames == 1:
            return replace(self, pixels=change(self.pixels))
        changed = [change(self.pixels.crop(0, number * self.height, self.width, self.height)) for number in range(self.frames)]
        return replace(self, pixels=pyvips.Image.arrayjoin(changed, across=1))

    def scaled(self, width: int, height: int) -> Picture:
        """Resampled (Lanczos 3) to exactly this size in pixels."""
        if (width, height) == (self.width, self.height):
            return self
        across, down = width / self.width, height / self.height
        return self.each_frame(lambda pixels: pixels.resize(across, vscale=down), premultiplied=True)

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

    def liveliest(self, width: int, height: int, by: str) -> tuple[int, int]:
        """Left and top of the rectangle of this size with the most `attention` or `entropy` in frame one. Computes now."""
        cut = self.first.smartcrop(width, height, interesting=by)
        return -cut.xoffset, -cut.yoffset

    def over(self, colour: Colour) -> Picture:
        """The same pixels, to be laid over this colour where the result can't hold transparency."""
        return replace(self, background=colour)

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

    def with_animation_notes(self) -> Pixels:
        """Pixels that a saver understands: frame height, delays and loop noted for an animation, none of it for a still."""
        noted = self.pixels.copy()
        for name in ("page-height", "n-pages", "delay", "loop"):
            if noted.get_typeof(name):
                noted.remove(name)
        if self.frames > 1:
            noted.set_type(pyvips.GValue.gint_type, "page-height", self.height)
            noted.set_type(pyvips.GValue.array_int_type, "delay", (self.delays or [100] * self.frames)[: self.frames])
            noted.set_type(pyvips.GValue.gint_type, "loop", self.loop)
        return noted


def ink_for(pixels: Pixels, colour: Colour) -> list[int]:
    """The colour as one number a band."""
    grey = pixels.bands < 3
    return [*(colour.rgb[:1] if grey else colour.rgb), *([colour.alpha] if pixels.hasalpha() else [])]


def _able_to_hold(pixels: Pixels, colour: Colour) -> Pixels:
    if pixels.bands < 3 and len(set(colour.rgb)) > 1:
        pixels = pixels.colourspace("srgb")
    return pixels if colour.alpha == 255 or pixels.hasalpha() else pixels.addalpha()


def _premultiplied(change: PixelsFn) -> PixelsFn:
    return lambda pixels: change(pixels.premultiply()).unpremultiply().cast(pixels.format)

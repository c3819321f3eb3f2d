"""PNG: libvips reads a copy without the chunks that a decoder has no use for; of colours and frames we read what it ignores."""

from pathlib import Path
from typing import ClassVar

import pyvips
from msgspec.structs import replace

from internal.pipeline.containers.apng import Animation, animation_of
from internal.pipeline.containers.png_chunks import lean_png, told_before_pixels
from internal.pipeline.containers.png_colour_chunks import COLOUR_CHUNKS, PngColours, palette_of, told_by
from internal.pipeline.vips.apng_frames import Composition, composed, is_opaque
from internal.pipeline.vips.assign_profile import assigned
from internal.pipeline.vips.loaders.source import READING, Header, Size, Source
from internal.pipeline.vips.picture import Picture, Pixels
from internal.pipeline.vips.profiles import PROFILE, can_be_read, to_srgb

_BITS = 8
"""Where IHDR says how many bits a channel has."""


class PngSource(Source):
    """A PNG file, still or animated. A still of it shows the static picture, which need not be one of the frames."""

    loader: ClassVar[str] = "pngload"
    operation_class: ClassVar[str] = "VipsForeignLoadPng"
    _colours: PngColours
    _palette: tuple[bytes, ...]
    _animation: Animation | None

    def look_over(self, path: Path) -> Path:
        told = told_before_pixels(path, COLOUR_CHUNKS | {b"IHDR", b"acTL", b"PLTE", b"tRNS"})
        self._colours = told_by(told, bits=told.get(b"IHDR", b"").ljust(_BITS + 1, b"\0")[_BITS])
        self._palette = palette_of(told.get(b"PLTE", b""), told.get(b"tRNS", b""))
        self._animation = animation_of(path) if b"acTL" in told else None
        self._original = path
        return lean_png(path, self.new_copy())

    def read_header(self, pixels: Pixels) -> Header:
        still = super().read_header(pixels)
        if still.colours is not None:
            still = replace(still, palette=self._palette)
        if self._animation is None:
            return still
        clear = still.has_alpha or not is_opaque(self._animation, (still.width, still.height))
        return replace(still, frames=len(self._animation.frames), has_alpha=clear, still_apart=self._animation.static_apart)

    def decoded(self, wanted: Size | None, *, animated: bool) -> Pixels:
        if animated and self._animation is not None:
            return self._rolled(self._animation, wanted)
        return self._meant(super().decoded(wanted, animated=False))

    def _meant(self, pixels: Pixels) -> Pixels:
        """With the colours that the file's chunks give to the numbers."""
        if self._colours.over_profile is not None:
            return assigned(pixels, self._colours.over_profile)
        if self._colours.under_profile is not None and not can_be_read(pixels):
            return assigned(pixels, self._colours.under_profile)
        return pixels

    def _rolled(self, animation: Animation, wanted: Size | None) -> Pixels:
        """All frames, scaled one by one so that no more of them is held than is needed."""

        def opened(data: bytes) -> Pixels:
            frame = pyvips.Image.pngload_buffer(data, **READING)
            if self.pixels.get_typeof(PROFILE):
                frame = frame.copy()
                frame.set_type(pyvips.GValue.blob_type, PROFILE, self.pixels.get(PROFILE))
            return self._frame(frame).copy_memory()

        def finished(canvas: Pixels) -> Pixels:
            return Picture(canvas).scaled(*wanted).pixels if wanted else canvas

        size = (self.header.width, self.header.height)
        roll = composed(self._original, animation, size, Composition(opened, finished, opaque=not self.header.has_alpha))
        roll.set_type(pyvips.GValue.gint_type, "orientation", self.header.orientation)  # a profile comes with the frames
        return roll

    def _frame(self, pixels: Pixels) -> Pixels:
        """As all frames are laid over one another: in 8 bits, but where a profile has yet to be followed."""
        meant = self._meant(pixels)
        ready = meant if meant.get_typeof(PROFILE) else to_srgb(meant)
        return ready if ready.hasalpha() or not self.header.has_alpha else ready.addalpha()

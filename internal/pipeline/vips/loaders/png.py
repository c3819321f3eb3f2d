"""PNG loader. libvips reads a copy with only the chunks that it needs; colour and animation chunks that it ignores are ours."""

from pathlib import Path
from typing import ClassVar

import pyvips
from msgspec.structs import replace

from internal.pipeline.containers.apng import Animation, read_animation
from internal.pipeline.containers.png_chunks import read_leading_chunks, strip_chunks
from internal.pipeline.containers.png_colour_chunks import COLOUR_CHUNKS, PngColours, read_colours, read_palette
from internal.pipeline.vips.apng_frames import Composition, compose, is_opaque
from internal.pipeline.vips.assign_profile import assign_profile
from internal.pipeline.vips.loaders.source import READING, Header, PixelSize, Source
from internal.pipeline.vips.picture import Picture
from internal.pipeline.vips.pixels import Pixels
from internal.pipeline.vips.profiles import PROFILE, has_readable_profile, to_srgb

_BITS = 8
"""Position of the bit depth in IHDR."""


class PngSource(Source):
    """A PNG file, still or animated. Its still is the static picture, which need not be one of the frames."""

    loader: ClassVar[str] = "pngload"
    operation_class: ClassVar[str] = "VipsForeignLoadPng"
    _colours: PngColours
    _palette: tuple[bytes, ...]
    _animation: Animation | None

    def sanitize(self, path: Path) -> Path:
        chunks = read_leading_chunks(path, COLOUR_CHUNKS | {b"IHDR", b"acTL", b"PLTE", b"tRNS"})
        self._colours = read_colours(chunks, bits=chunks.get(b"IHDR", b"").ljust(_BITS + 1, b"\0")[_BITS])
        self._palette = read_palette(chunks.get(b"PLTE", b""), chunks.get(b"tRNS", b""))
        self._animation = read_animation(path) if b"acTL" in chunks else None
        self._original = path
        return strip_chunks(path, self.new_copy())

    def read_header(self, pixels: Pixels) -> Header:
        still = super().read_header(pixels)
        if still.colours is not None:
            still = replace(still, palette=self._palette)
        if self._animation is None:
            return still
        clear = still.has_alpha or not is_opaque(self._animation, (still.width, still.height))
        return replace(still, frames=len(self._animation.frames), has_alpha=clear, separate_still=self._animation.separate_still)

    def decode(self, wanted: PixelSize | None, *, animated: bool) -> Pixels:
        if animated and self._animation is not None:
            return self._decode_animation(self._animation, wanted)
        return self._in_colour_space(super().decode(wanted, animated=False))

    def _in_colour_space(self, pixels: Pixels) -> Pixels:
        """The pixels in the colour space of the file's chunks."""
        if self._colours.over_profile is not None:
            return assign_profile(pixels, self._colours.over_profile)
        if self._colours.under_profile is not None and not has_readable_profile(pixels):
            return assign_profile(pixels, self._colours.under_profile)
        return pixels

    def _decode_animation(self, animation: Animation, wanted: PixelSize | None) -> Pixels:
        """All frames, scaled one by one to keep memory small."""

        def decode_frame(data: bytes) -> Pixels:
            frame = pyvips.Image.pngload_buffer(data, **READING)
            if self.pixels.get_typeof(PROFILE):
                frame = frame.copy()
                frame.set_type(pyvips.GValue.blob_type, PROFILE, self.pixels.get(PROFILE))
            return self._frame(frame).copy_memory()

        def finish(canvas: Pixels) -> Pixels:
            return Picture(canvas).scaled(*wanted).pixels if wanted else canvas

        size = (self.header.width, self.header.height)
        roll = compose(self._original, animation, size, Composition(decode_frame, finish, opaque=not self.header.has_alpha))
        roll.set_type(pyvips.GValue.gint_type, "orientation", self.header.orientation)  # the frames carry the profile
        return roll

    def _frame(self, pixels: Pixels) -> Pixels:
        """One frame in the form that all frames are composited in: 8 bits, unless a profile has yet to be applied."""
        tagged = self._in_colour_space(pixels)
        ready = tagged if tagged.get_typeof(PROFILE) else to_srgb(tagged)
        return ready if ready.hasalpha() or not self.header.has_alpha else ready.addalpha()

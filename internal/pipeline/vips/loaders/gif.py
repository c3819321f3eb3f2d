"""GIF loader, for stills and animations."""

from pathlib import Path
from typing import ClassVar

import pyvips

from internal.domain.errors import InvalidImage
from internal.pipeline.containers.gif_screen import inspect_gif, write_normalized
from internal.pipeline.vips.loaders.source import Header, PixelSize, Source, palette_size
from internal.pipeline.vips.pixels import Pixels


class GifSource(Source):
    """A GIF file. Files that libnsgif would decode wrongly are read from a normalized copy, where frame n is frame 2n + 1.

    INVARIANT: transparent pixels are decoded as black
    (tests/unit/pipeline/vips/test_scaling.py::test_a_transparent_pixel_of_a_gif_is_black).
    """

    loader: ClassVar[str] = "gifload"
    operation_class: ClassVar[str] = "VipsForeignLoadNsgif"
    premultiplied: ClassVar[bool] = True

    def sanitize(self, path: Path) -> Path:
        self._original, self._gif = path, inspect_gif(path)
        if self._gif.decodes_correctly:
            return path
        copy = self.new_copy()
        write_normalized(path, copy, self._gif)
        return copy

    def read_header(self, pixels: Pixels) -> Header:
        """Raises InvalidImage if libnsgif stopped before the last frame, which it does without an error."""
        frames = self.frames_of(pixels)
        if frames != self._gif.frames * (1 if self._gif.decodes_correctly else 2):
            raise InvalidImage("The GIF file is damaged.")
        screen, colours = self._gif.screen, palette_size(pixels)
        return Header(screen.right, screen.bottom, self._gif.frames, 1, self._gif.has_alpha, colours=colours)

    @classmethod
    def frames_of(cls, pixels: Pixels) -> int:
        return int(pixels.get("n-pages")) if pixels.get_typeof("n-pages") else 1

    def decode(self, wanted: PixelSize | None, *, animated: bool) -> Pixels:
        if self._gif.maybe_truncated:
            self._require_whole_frames()
        if self._gif.decodes_correctly:
            return super().decode(wanted, animated=animated)
        if not animated:
            return self._on_screen(self.open(self.path, page=1))
        roll = self.open(self.path, n=-1)
        joined = pyvips.Image.arrayjoin([self._on_screen(frame) for frame in self._frames_in(roll)], across=1).copy()
        joined.set_type(pyvips.GValue.array_int_type, "delay", roll.get("delay")[1::2])
        return joined

    def _frames_in(self, roll: Pixels) -> list[Pixels]:
        _, _, width, height = self._gif.canvas
        seen = min(height, self._gif.screen.bottom)
        return [roll.crop(0, (2 * number + 1) * height, width, seen) for number in range(self._gif.frames)]

    def _on_screen(self, canvas: Pixels) -> Pixels:
        """The canvas padded to the logical screen. The padding is transparent."""
        return canvas.embed(0, 0, self.header.width, self.header.height)

    def _require_whole_frames(self) -> None:
        """Raises InvalidImage if a frame is truncated: libnsgif draws the part that is there without an error.

        It counts the pixels of each frame, drawn separately.
        """
        copy = self.new_copy()
        write_normalized(self._original, copy, self._gif, apart=True)
        alpha = pyvips.Image.arrayjoin(self._frames_in(self.open(copy, n=-1)), across=1)[3]
        if round(alpha.avg() * alpha.width * alpha.height / 255) != self._gif.drawn_pixels:
            raise InvalidImage("The GIF file is cut short.")
        self._gif = self._gif._replace(maybe_truncated=False)

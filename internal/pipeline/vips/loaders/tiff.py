"""TIFF loader. It decodes the first full picture, with samples of any supported type."""

from pathlib import Path
from typing import ClassVar

from internal.domain.errors import InvalidImage
from internal.pipeline.containers.camera_raw import refuse_raw
from internal.pipeline.containers.tiff_compressions import BYTEWISE
from internal.pipeline.containers.tiff_copy import write_copy
from internal.pipeline.containers.tiff_directory import open_tiff, translate_damage
from internal.pipeline.containers.tiff_samples import read_samples
from internal.pipeline.vips.decode_errors import capture_warnings, drain_error_buffer
from internal.pipeline.vips.loaders.source import PixelSize, Source
from internal.pipeline.vips.loaders.tiff_colours import convert_samples, select_samples, share_out_of_range
from internal.pipeline.vips.pixels import Pixels

_TILE_SIDES = frozenset({322, 323})
"""libtiff takes a TIFF with either tag for a tiled one."""


class TiffSource(Source):
    """A TIFF file. libvips reads the file itself, or a copy with rewritten directories: see tiff_pages.py and tiff_samples.py.

    A strip or tile that can't be decoded is an error. libvips 8.18.7 detects it in a strip with fail_on="error", which also
    counts warnings such as that of an empty field; in a tile only with "warning", which checks nothing else there. Tiles of
    some compressions are decoded twice, because their damage is not reported in the middle of other operations.
    """

    loader: ClassVar[str] = "tiffload"
    operation_class: ClassVar[str] = "VipsForeignLoadTiff"

    def sanitize(self, path: Path) -> Path:
        refuse_raw(path)
        with path.open("rb") as file, translate_damage():
            tiff, at = open_tiff(file)
            directory = tiff.directory(at)
            self._samples = read_samples(tiff, directory)
            pages = self._samples.rewrites(tiff, directory)
            self._pages = len(pages)
            tiled = bool(_TILE_SIDES & directory.fields.keys())
            self._fail_on = "warning" if tiled else "error"
            self._hides_damage = tiled and (self._samples.compression not in BYTEWISE or self._samples.read_as_rgba)
            if at == tiff.first and not pages and (directory.next == 0 or self._has_sound_pages(path)):
                return path
            copy = self.new_copy()
            write_copy(file, tiff, at, pages or [{}], copy)
            return copy

    def _has_sound_pages(self, path: Path) -> bool:
        """True if libtiff finds no error in any directory. It reads all of them, and other pages' errors must not count."""
        drain_error_buffer()
        self.open(path)
        return not drain_error_buffer()

    def read(self) -> Pixels:
        if self._samples.native:
            return select_samples(self._page(0), self._samples)
        return convert_samples(self._rewritten_pages(), self._samples)

    def _rewritten_pages(self) -> list[Pixels]:
        return [self._page(page) for page in range(self._pages)]

    def _page(self, page: int) -> Pixels:
        return self.open(self.path, page=page, fail_on=self._fail_on)

    def decode(self, wanted: PixelSize | None, *, animated: bool) -> Pixels:
        """Raises InvalidImage for floating-point samples of unknown range: most of them lie outside 0 to 1."""
        if self._samples.range_guessed and share_out_of_range(self._rewritten_pages(), self._samples) > 0.5:
            raise InvalidImage(
                "The TIFF's floating-point samples lie outside of 0 to 1, and it does not say which are black and white "
                "(SMinSampleValue, SMaxSampleValue)."
            )
        if self._hides_damage:
            self.require_whole()
        return super().decode(wanted, animated=animated)

    def require_whole(self) -> None:
        """Raises InvalidImage if a strip or tile can't be decoded. Decodes everything once more and checks warnings and errors.

        For PackBits, JPEG and CCITT libtiff only warns; for tiles in JPEG and CCITT libvips 8.18.7 logs errors but does not fail.
        """
        with capture_warnings() as warnings:
            for page in range(max(1, self._pages)):
                pixels = self._page(page)
                drain_error_buffer()
                pixels.avg()
                warnings.check(drain_error_buffer())
        if warnings.damage:
            raise InvalidImage("The TIFF file is damaged: a strip or tile of it can't be decoded.")
        self._hides_damage = False

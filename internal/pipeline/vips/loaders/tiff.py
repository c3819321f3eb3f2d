"""TIFF: the first full picture, whatever its samples are."""

from pathlib import Path
from typing import ClassVar

from internal.errors import InvalidImage
from internal.pipeline.containers.camera_raw import require_no_raw
from internal.pipeline.containers.tiff_compressions import BYTEWISE
from internal.pipeline.containers.tiff_copy import write_copy
from internal.pipeline.containers.tiff_directory import damage_told, whole_tiff
from internal.pipeline.containers.tiff_samples import read_samples
from internal.pipeline.vips.decode_errors import errors_left, warnings_heard
from internal.pipeline.vips.loaders.source import Size, Source
from internal.pipeline.vips.loaders.tiff_colours import coloured, selected, share_beyond_range
from internal.pipeline.vips.picture import Pixels

_TILE_SIDES = frozenset({322, 323})
"""Either makes a TIFF a tiled one for libtiff."""


class TiffSource(Source):
    """A TIFF file. libvips reads it as it is, or a copy with other directories: see tiff_pages.py and tiff_samples.py.

    A strip or tile that can't be decoded is an error. libvips 8.18.7 sees it in a strip from fail_on="error" on, which takes
    warnings, as of a field that is empty; in a tile only with "warning", which in tiles looks at nothing else. The tiles
    of some schemes are decoded twice, for their damage is not heard of beside other operations.
    """

    loader: ClassVar[str] = "tiffload"
    operation_class: ClassVar[str] = "VipsForeignLoadTiff"

    def look_over(self, path: Path) -> Path:
        require_no_raw(path)
        with path.open("rb") as file, damage_told():
            tiff, at = whole_tiff(file)
            directory = tiff.directory(at)
            self._samples = read_samples(tiff, directory)
            pages = self._samples.disguises(tiff, directory)
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
        """Whether libtiff finds no error in the directories, all of which it reads: those of other pages must not count."""
        errors_left()
        self.open(path)
        return not errors_left()

    def read(self) -> Pixels:
        if self._samples.native:
            return selected(self._page(0), self._samples)
        return coloured(self._disguised(), self._samples)

    def _disguised(self) -> list[Pixels]:
        return [self._page(page) for page in range(self._pages)]

    def _page(self, page: int) -> Pixels:
        return self.open(self.path, page=page, fail_on=self._fail_on)

    def decoded(self, wanted: Size | None, *, animated: bool) -> Pixels:
        """Raises InvalidImage for floating-point samples that are not meant to go from 0 to 1: most lie outside of it."""
        if self._samples.range_guessed and share_beyond_range(self._disguised(), self._samples) > 0.5:
            raise InvalidImage(
                "The TIFF's floating-point samples lie outside of 0 to 1, and it does not say which are black and white "
                "(SMinSampleValue, SMaxSampleValue)."
            )
        if self._hides_damage:
            self.require_whole()
        return super().decoded(wanted, animated=animated)

    def require_whole(self) -> None:
        """Decode all of it once more, and hear what is said meanwhile.

        Of PackBits, JPEG and CCITT libtiff only warns; of tiles in JPEG and CCITT libvips 8.18.7 notes errors, and nothing fails.
        """
        with warnings_heard() as warnings:
            for page in range(max(1, self._pages)):
                pixels = self._page(page)
                errors_left()
                pixels.avg()
                warnings.note(errors_left())
        if warnings.heard:
            raise InvalidImage("The TIFF file is damaged: a strip or tile of it can't be decoded.")
        self._hides_damage = False

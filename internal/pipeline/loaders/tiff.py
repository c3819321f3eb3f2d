"""TIFF: the first full picture, whatever its samples are."""

from pathlib import Path
from typing import ClassVar

from internal.errors import InvalidImage
from internal.pipeline.camera_raw import require_no_raw
from internal.pipeline.loaders.source import Size, Source
from internal.pipeline.loaders.tiff_colours import coloured, selected, share_beyond_range
from internal.pipeline.picture import Pixels
from internal.pipeline.tiff_copy import write_copy
from internal.pipeline.tiff_directory import damage_told, whole_tiff
from internal.pipeline.tiff_samples import read_samples


class TiffSource(Source):
    """A TIFF file. libvips reads it as it is, or a copy with other directories: see tiff_pages.py and tiff_samples.py."""

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
            if at == tiff.first and not pages:
                return path
            copy = self.new_copy()
            write_copy(file, tiff, at, pages or [{}], copy)
            return copy

    def read(self) -> Pixels:
        if self._samples.native:
            return selected(super().read(), self._samples)
        return coloured(self._disguised(), self._samples)

    def _disguised(self) -> list[Pixels]:
        return [self.open(self.path, page=page) for page in range(self._pages)]

    def decoded(self, wanted: Size | None, *, animated: bool) -> Pixels:
        """Raises InvalidImage for floating-point samples that are not meant to go from 0 to 1: most lie outside of it."""
        if self._samples.range_guessed and share_beyond_range(self._disguised(), self._samples) > 0.5:
            raise InvalidImage(
                "The TIFF's floating-point samples lie outside of 0 to 1, and it does not say which are black and white "
                "(SMinSampleValue, SMaxSampleValue)."
            )
        return super().decoded(wanted, animated=animated)

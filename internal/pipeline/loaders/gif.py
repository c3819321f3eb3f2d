"""GIF: still or animated."""

from pathlib import Path
from typing import ClassVar

from internal.pipeline.gif_blocks import require_whole_gif
from internal.pipeline.loaders.source import Source
from internal.pipeline.picture import Pixels


class GifSource(Source):
    """A GIF file.

    INVARIANT: a transparent pixel comes as black
    (tests/unit/pipeline/test_scaling.py::test_a_transparent_pixel_of_a_gif_is_black).
    """

    loader: ClassVar[str] = "gifload"
    operation_class: ClassVar[str] = "VipsForeignLoadNsgif"
    premultiplied: ClassVar[bool] = True

    def look_over(self, path: Path) -> Path:
        require_whole_gif(path)
        return path

    @classmethod
    def frames_of(cls, pixels: Pixels) -> int:
        return int(pixels.get("n-pages")) if pixels.get_typeof("n-pages") else 1

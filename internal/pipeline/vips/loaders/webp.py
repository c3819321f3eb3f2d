"""WebP loader, for stills and animations. libwebp scales while it decodes."""

from typing import Any, ClassVar

from internal.pipeline.vips.loaders.source import PixelSize, Source
from internal.pipeline.vips.pixels import Pixels


class WebpSource(Source):
    """A WebP file."""

    loader: ClassVar[str] = "webpload"
    operation_class: ClassVar[str] = "VipsForeignLoadWebp"

    @classmethod
    def frames_of(cls, pixels: Pixels) -> int:
        return int(pixels.get("n-pages")) if pixels.get_typeof("n-pages") else 1

    def shrink_options(self, wanted: PixelSize) -> dict[str, Any]:
        """The full scale factor, except with alpha: libwebp would mix the colours of transparent pixels in."""
        ratio = self.ratio(wanted)
        return {"scale": 1 / ratio} if ratio > 1 and self.header.frames == 1 and not self.header.has_alpha else {}

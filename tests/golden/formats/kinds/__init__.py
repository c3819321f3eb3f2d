"""Every kind of file in docs/formats.md, in order."""

from tests.golden.formats.kind import Kind
from tests.golden.formats.kinds import gif, heif, jpeg, png, png_chunks, tiff, tiff_samples, webp

KINDS: tuple[Kind, ...] = (
    *jpeg.KINDS,
    *png.KINDS,
    *png_chunks.KINDS,
    *webp.KINDS,
    *gif.KINDS,
    *tiff.KINDS,
    *tiff_samples.KINDS,
    *heif.KINDS,
)

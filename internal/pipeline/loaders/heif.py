"""AVIF and HEIC: the primary picture, which the decoder turns upright by itself."""

from typing import ClassVar

from internal.pipeline.loaders.source import Source


class HeifSource(Source):
    """An AVIF or HEIC file."""

    loader: ClassVar[str] = "heifload"
    operation_class: ClassVar[str] = "VipsForeignLoadHeif"

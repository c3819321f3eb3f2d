"""Decode, shrink and encode in this process, as somebody would write it with pyvips alone: what the service is held against."""

import os
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import pyvips


class Rendering(Struct, frozen=True):
    """What is made of a picture: at most `side` pixels wide and high, as `format`. `processing` asks the service for the same."""

    side: int
    format: str

    @property
    def processing(self) -> str:
        return f"resize:{self.side}x{self.side}|format:{self.format}"


THUMBNAIL = Rendering(300, "jpeg")
WEB = Rendering(1024, "webp")


def confine_libvips() -> None:
    """One thread a picture and no cache of operations, as in the sandbox. Call it before pyvips is imported."""
    os.environ["VIPS_CONCURRENCY"] = "1"
    os.environ["MALLOC_ARENA_MAX"] = "1"


def rendered(content: bytes, wanted: Rendering) -> bytes:
    """The result's bytes, with the service's own settings of the encoders."""
    import pyvips

    pyvips.cache_set_max(0)
    image = pyvips.Image.thumbnail_buffer(content, wanted.side, height=wanted.side, size="down")
    return _encoded(image, wanted)


def _encoded(image: "pyvips.Image", wanted: Rendering) -> bytes:
    if wanted.format == "webp":
        return bytes(image.webpsave_buffer(Q=80, effort=4, keep="none"))
    return bytes(image.jpegsave_buffer(Q=80, optimize_coding=True, keep="none"))

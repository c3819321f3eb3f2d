"""WebP."""

from functools import partial
from typing import Any

from tests import pictures
from tests.golden.formats.kind import Kind, opaque
from tests.golden.formats.kinds import scenes


def _webp(name: str, data: Any, shown: str = "as it is", **right: Any) -> Kind:
    return Kind("WebP", name, "image/webp", lambda: bytes(data()), shown, **right)


def _turned(orientation: int) -> bytes:
    return bytes(scenes.lying(orientation).webpsave_buffer(lossless=True))


MOVING = opaque(*[pictures.RED] * 4)
"""The first frame of `pictures.animation`."""
KINDS = (
    _webp("lossy", lambda: pictures.scene().webpsave_buffer(Q=95), within=8),
    _webp("lossless", pictures.webp),
    _webp("transparency", lambda: pictures.alpha_scene().webpsave_buffer(lossless=True), colours=scenes.HALF_CLEAR, alpha=True),
    _webp("animation", pictures.animated_webp, colours=MOVING, frames=4),
    *(_webp(f"EXIF orientation {turn}", partial(_turned, turn), "upright") for turn in range(2, 9)),
    _webp(
        "with a profile",
        lambda: scenes.wide().webpsave_buffer(lossless=True, keep="icc"),
        "by its profile",
        profile=True,
        within=4,
    ),
)

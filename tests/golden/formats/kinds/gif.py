"""GIF."""

from typing import Any

from tests import pictures
from tests.golden.formats.kind import Kind
from tests.golden.formats.kinds import scenes
from tests.golden.formats.kinds.webp import MOVING


def _gif(name: str, data: Any, shown: str = "as it is", **right: Any) -> Kind:
    return Kind("GIF", name, "image/gif", lambda: bytes(data()), shown, **right)


KINDS = (
    _gif("still", pictures.gif, may_be_clear=True),
    _gif("interlaced", lambda: pictures.scene().gifsave_buffer(interlace=True), may_be_clear=True),
    _gif("transparency", lambda: pictures.alpha_scene().gifsave_buffer(), colours=scenes.HALF_CLEAR, alpha=True),
    _gif("animation", pictures.animated_gif, colours=MOVING, frames=4, may_be_clear=True),
)

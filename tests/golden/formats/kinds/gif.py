"""GIF."""

from functools import partial
from typing import Any

from tests import gifs, pictures
from tests.golden.formats.kind import Kind, opaque
from tests.golden.formats.kinds import scenes
from tests.golden.formats.kinds.webp import MOVING


def _gif(name: str, data: Any, shown: str = "as it is", **right: Any) -> Kind:
    return Kind("GIF", name, "image/gif", lambda: bytes(data()), shown, **right)


def _corners(width: int = 64, height: int = 48, frames: int = 2) -> bytes:
    """An opaque animation: the top left quarter, cleared, then the bottom right one."""
    size = width // 2, height // 2
    corners = gifs.GifFrame(gifs.plain(0, *size), disposal=2), gifs.GifFrame(gifs.plain(2, *size), *size)
    return gifs.gif_file(width, height, *corners[:frames])


def _padded() -> bytes:
    first, second = (gifs.GifFrame(gifs.plain(index, 64, 48)).written() for index in (0, 1))
    return gifs.head(64, 48) + first + b"\0\0" + second


CORNERS = ((*gifs.PALETTE[0], 255), *[gifs.CLEAR] * 3)
KINDS = (
    _gif("still", pictures.gif, may_be_clear=True),
    _gif("interlaced", lambda: pictures.scene().gifsave_buffer(interlace=True), may_be_clear=True),
    _gif("transparency", lambda: pictures.alpha_scene().gifsave_buffer(), colours=scenes.HALF_CLEAR, alpha=True),
    _gif("frames smaller than the screen", _corners, "transparent where nothing is drawn", colours=CORNERS, frames=2, alpha=True),
    _gif("frame smaller than a monitor's screen", partial(_corners, 800, 600, 1), "as before", colours=CORNERS, alpha=True),
    _gif("NUL between blocks, no trailer", _padded, "as without", colours=opaque(*[gifs.PALETTE[0]] * 4), frames=2),
    _gif("animation", pictures.animated_gif, colours=MOVING, frames=4, may_be_clear=True),
)

"""PNG."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pyvips

from tests import pictures
from tests.golden.formats.kind import SCENE, Kind, greys
from tests.golden.formats.kinds import scenes


def _png(
    name: str, image: Callable[[], pyvips.Image], shown: str = "as it is", *, options: dict[str, Any] | None = None, **right: Any
) -> Kind:
    def data() -> bytes:
        return bytes(image().pngsave_buffer(**(options or {})))

    return Kind("PNG", name, "image/png", data, shown, **right)


def _halves() -> pyvips.Image:
    """Black and white, grey."""
    return (pictures.scene()[1] > 127).copy(interpretation="b-w")


def _key() -> bytes:
    """RGB with one transparent colour: that of the lower right quarter."""
    return pictures.with_png_chunks(
        bytes(pictures.scene().pngsave_buffer(keep="none")), pictures.png_chunk(b"tRNS", bytes([0, 250, 0, 250, 0, 250]))
    )


KEYED = (*SCENE[:3], (*pictures.WHITE, 0))
KINDS = (
    _png("colour, 8 bit", pictures.scene),
    _png("colour, 8 bit, interlaced", pictures.scene, options={"interlace": True}),
    _png("colour, 16 bit", scenes.deep, "in 8 bit", options={"bitdepth": 16}),
    _png("colour and transparency, 8 bit", pictures.alpha_scene, colours=scenes.HALF_CLEAR, alpha=True),
    _png(
        "colour and transparency, 16 bit",
        lambda: pictures.alpha_scene().colourspace("rgb16"),
        "in 8 bit",
        options={"bitdepth": 16},
        colours=scenes.HALF_CLEAR,
        alpha=True,
    ),
    Kind("PNG", "colour with one that is transparent (tRNS)", "image/png", _key, "as it is", colours=KEYED, alpha=True),
    _png("grey, 8 bit", scenes.grey, colours=scenes.GREYS),
    _png("grey and transparency, 8 bit", scenes.grey_alpha, colours=scenes.GREY_HALF_CLEAR, alpha=True),
    _png("grey, 1 bit", _halves, options={"bitdepth": 1}, colours=greys(0, 255, 0, 255)),
    _png("grey, 2 bit", _halves, options={"bitdepth": 2}, colours=greys(0, 255, 0, 255)),
    _png("grey, 4 bit", _halves, options={"bitdepth": 4}, colours=greys(0, 255, 0, 255)),
    _png("palette, 8 bit", pictures.scene, options={"palette": True, "bitdepth": 8}),
    _png("palette, 2 bit", pictures.scene, options={"palette": True, "bitdepth": 2}),
    _png("palette with transparency", pictures.alpha_scene, options={"palette": True}, colours=scenes.HALF_CLEAR, alpha=True),
    *(_png(f"EXIF orientation {turn} (eXIf)", partial(scenes.lying, turn), "upright") for turn in range(2, 9)),
    _png("colour with a profile", scenes.wide, "by its profile", options={"keep": "icc"}, profile=True),
    _png(
        "grey with a profile", scenes.profiled_grey, "by its profile", options={"keep": "icc"}, colours=scenes.GREYS, profile=True
    ),
)

"""AVIF and HEIC, where the configuration takes them."""

from typing import Any

from tests import pictures
from tests.golden.formats.kind import Kind
from tests.golden.formats.kinds import scenes


def _avif(name: str, data: Any, shown: str = "as it is", **right: Any) -> Kind:
    return Kind("AVIF", name, "image/avif", lambda: bytes(data()), shown, **{"within": 8, **right})


def _saved(image: Any, **options: Any) -> Any:
    return lambda: image().heifsave_buffer(compression="av1", Q=95, effort=0, **options)


KINDS = (
    _avif("8 bit", _saved(pictures.scene)),
    _avif("lossless", _saved(pictures.scene, lossless=True)),
    _avif("10 bit", _saved(scenes.deep, bitdepth=10), "in 8 bit"),
    _avif("12 bit", _saved(scenes.deep, bitdepth=12), "in 8 bit"),
    _avif("transparency", _saved(pictures.alpha_scene), colours=scenes.HALF_CLEAR, alpha=True),
    _avif("with a profile", _saved(scenes.wide, keep="icc"), "by its profile", profile=True),
)

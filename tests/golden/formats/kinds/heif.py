"""AVIF and HEIC, which need configuration."""

from functools import partial
from typing import Any

from tests import pictures
from tests.golden.formats.kind import Kind, opaque
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
    *(_avif(f"orientation {turn} (irot, imir)", partial(pictures.turned_avif, turn), "upright") for turn in range(2, 9)),
    _avif("a sequence (brand avis)", pictures.animated_avif, "its first frame", colours=opaque(*[pictures.RED] * 4), first_of=4),
    Kind(
        "AVIF",
        "HEIC (HEVC)",
        "image/heic",
        pictures.heic,
        "The picture is coded as HEVC, for which this service has no decoder. Convert it to a JPEG.",
        refused="unsupported_media_type",
    ),
)

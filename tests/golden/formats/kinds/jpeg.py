"""JPEG."""

from functools import partial
from typing import Any

from tests import pictures
from tests.golden.formats.kind import Kind
from tests.golden.formats.kinds import scenes
from tests.jpegs import lossless_jpeg


def _jpeg(name: str, image: Any, shown: str = "as it is", *, options: dict[str, Any] | None = None, **right: Any) -> Kind:
    def data() -> bytes:
        return bytes(image().jpegsave_buffer(Q=95, **(options or {})))

    return Kind("JPEG", name, "image/jpeg", data, shown, **{"within": 6, **right})


def _ended_by_a_film() -> bytes:
    return pictures.jpeg()[:-2] + b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 9


def _lossless() -> bytes:
    grey = scenes.grey()
    values = bytes(grey.write_to_memory())
    return lossless_jpeg([list(values[at : at + grey.width]) for at in range(0, len(values), grey.width)])


KINDS = (
    _jpeg("colour, chroma in half the resolution", pictures.scene, options={"subsample_mode": "on"}),
    _jpeg("colour, chroma in full resolution", pictures.scene, options={"subsample_mode": "off"}),
    _jpeg("progressive", pictures.scene, options={"interlace": True}),
    Kind("JPEG", "without an EOI, a film behind", "image/jpeg", _ended_by_a_film, "as with one", within=6),
    Kind("JPEG", "lossless, grey", "image/jpeg", _lossless, "as it is", colours=scenes.GREYS),
    _jpeg("grey", scenes.grey, colours=scenes.GREYS),
    _jpeg("colour with a profile", scenes.wide, "by its profile", options={"keep": "icc"}, profile=True),
    _jpeg(
        "grey with a profile", scenes.profiled_grey, "by its profile", options={"keep": "icc"}, colours=scenes.GREYS, profile=True
    ),
    _jpeg("CMYK without a profile", scenes.inks, "by libvips' own CMYK profile", options={"keep": "none"}, colours=scenes.INKS),
    *(
        Kind("JPEG", f"EXIF orientation {turn}", "image/jpeg", partial(pictures.exif_jpeg, turn), "upright", within=6)
        for turn in range(2, 9)
    ),
)

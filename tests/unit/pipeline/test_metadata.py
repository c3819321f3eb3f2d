"""G8: nothing of what a camera or an editor wrote beside the pixels reaches a result."""

import pytest
import pyvips

from tests import pictures
from tests.unit.pipeline.conftest import Renderer

PRIVATE = (
    pictures.GPS_MARK,
    b"Exif",
    b"http://ns.adobe.com",
    b"ICC_PROFILE",
    b"iCCP",
    b"tEXt",
    b"iTXt",
    b"eXIf",
    b"EXIF",
    b"XMP ",
    b"ICCP",
)


def _loaded_with_everything() -> pyvips.Image:
    image = pyvips.Image.new_from_buffer(pictures.exif_jpeg(1), "").copy_memory().copy()
    image.set_type(
        pyvips.GValue.blob_type, "xmp-data", b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + pictures.GPS_MARK + b"</x:xmpmeta>"
    )
    image.set_type(pyvips.GValue.blob_type, "iptc-data", pictures.GPS_MARK)
    image.set_type(pyvips.GValue.gstr_type, "png-comment-0-Author", pictures.GPS_MARK.decode())
    return image


@pytest.mark.parametrize("chain", ["strip", "resize:20x20", "flip", "crop:9x9+0+0|blur:1", "autorotate:false"])
@pytest.mark.parametrize("made", ["jpeg", "png", "webp", "gif"])
@pytest.mark.parametrize("given", ["jpeg", "png", "webp", "tiff"])
def test_a_result_carries_nothing_but_pixels(given: str, made: str, chain: str, rendered: Renderer) -> None:
    data = bytes(getattr(_loaded_with_everything(), f"{given}save_buffer")(profile="p3"))
    assert pictures.GPS_MARK in data

    _, path = rendered(data, f"{chain}|format:{made}", f"image/{given}")

    result = path.read_bytes()
    assert [mark for mark in PRIVATE if mark in result] == []
    fields = pyvips.Image.new_from_file(str(path)).get_fields()
    assert [name for name in fields if name.startswith(("exif", "xmp", "iptc", "icc", "png-comment", "orientation"))] == []

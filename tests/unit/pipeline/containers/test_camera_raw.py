"""Camera raw files are distinguished from ordinary TIFFs, wherever their directories lie."""

import io
from pathlib import Path

import pytest
from PIL import Image

from internal.domain.errors import PERMANENT, UnsupportedMediaType
from internal.pipeline.containers.camera_raw import raw_format, refuse_raw
from tests import pictures, tiffs
from tests.raws import RAWS, preview, sensor
from tests.tiffs import ASCII, BYTE, LONG, SHORT, Fields, Ifd
from tests.unit.pipeline.conftest import Renderer


@pytest.mark.parametrize("name", RAWS)
def test_a_raw_file_is_named(name: str) -> None:
    assert raw_format(io.BytesIO(RAWS[name])) == name


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_in_every_layout(order: str, big: bool) -> None:
    data = tiffs.written(preview(b"SONY", sensor()), order=order, big=big)

    assert raw_format(io.BytesIO(data)) == "Sony raw (ARW)"


def scan(maker: str) -> bytes:
    """A scan or edited photograph with a Make tag."""
    out = io.BytesIO()
    Image.new("RGB", (8, 6), (90, 90, 90)).save(out, "TIFF", tiffinfo={271: maker})
    return out.getvalue()


@pytest.mark.parametrize("company", ["NIKON CORPORATION", "SONY", "Canon", "PENTAX", "Phase One"])
def test_the_make_tag_alone_is_no_raw_file(company: str, rendered: Renderer) -> None:
    """Film scanners and photo editors write the Make tag too."""
    data = scan(company)

    assert raw_format(io.BytesIO(data)) is None
    assert rendered(data, "format:png", "image/tiff")[0].width == 8


def test_a_picture_with_a_reduced_one_below_it_is_none(rendered: Renderer) -> None:
    full = tiffs.picture(8, 6, {271: (ASCII, b"NIKON CORPORATION\0")})
    data = tiffs.written(Ifd(full.fields, (preview(),), full.strip))

    assert raw_format(io.BytesIO(data)) is None
    assert rendered(data, "format:png", "image/tiff")[0].width == 8


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("pixel", [b"CR\x02\0", b"CR\x02", b"CRd", b"BR\x02", b"II*\0", b"\xff\xd8\xff"])
def test_pixels_behind_the_header_say_nothing(pixel: bytes, order: str, big: bool, rendered: Renderer) -> None:
    """`filetype` 1.2.0 takes a TIFF whose pixels begin with CR for Canon raw, and libvips writes pixels at that place."""
    data = tiffs.written(tiffs.picture(8, 6, pixel=pixel), order=order, big=big)
    assert data[16 if big else 8 :].startswith(pixel)

    assert raw_format(io.BytesIO(data)) is None
    assert rendered(data, "format:png", "image/tiff")[0].height == 6


def test_canon_make_and_pixels_like_its_signature_are_no_raw_file() -> None:
    data = tiffs.written(tiffs.picture(8, 6, {271: (ASCII, b"Canon\0")}, pixel=b"CR\x02"))
    assert data[8:11] == b"CR\x02"

    assert raw_format(io.BytesIO(data)) is None


@pytest.mark.parametrize("compression", [32767, 32769, 32770, 32772, 32867, 34713, 65000, 65535])
def test_a_compression_that_only_cameras_write_is_enough(compression: int) -> None:
    data = tiffs.written(preview(b"NIKON CORPORATION", sensor(photometric=1, compression=compression)))

    assert raw_format(io.BytesIO(data)) == "Nikon raw (NEF)"


def test_canon_signature_at_offset_8_may_be_pixels() -> None:
    """Its directory is at offset 16, as in Canon raw."""
    strip = b"CR\x02\0\0\0\0\0"
    fields = {256: (SHORT, (8,)), 257: (SHORT, (1,)), 258: (SHORT, (8,)), 262: (SHORT, (1,)), 279: (LONG, (8,))}
    data = tiffs.written(Ifd(dict(fields), strip=strip))
    assert data[:12] == b"II*\0\x10\0\0\0CR\x02\0"

    assert raw_format(io.BytesIO(data)) is None


@pytest.mark.parametrize("name", ["Nikon raw (NEF)", "Adobe DNG"])
def test_the_worker_names_what_the_first_bytes_do_not_tell(name: str, tmp_path: Path, rendered: Renderer) -> None:
    """Its directories come after the pixels."""
    fields: Fields = {50706: (BYTE, (1, 4, 0, 0))} if name == "Adobe DNG" else {}
    data = tiffs.written(preview(b"NIKON", sensor(), fields=fields), padding=70_000)
    file = tmp_path / "raw.tif"
    file.write_bytes(data)

    assert raw_format(io.BytesIO(data[:65536])) is None
    with pytest.raises(UnsupportedMediaType) as refused:
        refuse_raw(file)
    assert refused.value.detail == f"This is a camera raw file: {name}. Develop it, and send the result."
    with pytest.raises(UnsupportedMediaType):
        rendered(data, "format:png", "image/tiff")
    assert UnsupportedMediaType in PERMANENT


class Counted(io.BytesIO):
    """A file that counts its reads."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)


def test_any_number_of_directories_is_bounded() -> None:
    """At most 16 directories with 256 fields each are read."""
    wide = Ifd(dict.fromkeys(range(1000, 5000), (SHORT, (1,))))
    many = Ifd({256: (SHORT, (1,))}, tuple(wide for _ in range(12)))
    file = Counted(tiffs.written(*[many] * 4))

    assert raw_format(file) is None
    assert 12 * 256 < file.reads < 20 * 256


@pytest.mark.parametrize("at", range(0, 200, 3))
def test_a_directory_with_any_offsets_is_handled(at: int) -> None:
    data = RAWS["Sony raw (ARW)"]
    for place in (at, int.from_bytes(data[4:8], "little") + at):
        raw_format(io.BytesIO(data[:place] + b"\xff" * 4 + data[place + 4 :]))
        raw_format(io.BytesIO(data[:place]))


def test_other_files_are_none() -> None:
    assert [raw_format(io.BytesIO(data)) for data in (b"", b"II", pictures.jpeg(), pictures.tiff(), b"II*\0" + b"\xff" * 40)] == [
        None
    ] * 5

"""G8: no metadata of the original reaches a result, except what `keep` names."""

import struct
from pathlib import Path

import pytest
import pyvips

from internal.pipeline.containers.exif import copyright_exif
from tests import pictures
from tests.tiff_pictures import RGB, halves
from tests.tiffs import ASCII, LONG, Fields, Ifd, picture, written
from tests.unit.pipeline.conftest import Renderer

pytestmark = pytest.mark.usefixtures("heif_input")  # to inspect results

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
NOTES = ("exif", "xmp", "iptc", "icc", "png-comment", "orientation", "jpeg-thumbnail")


def _loaded_with_everything() -> pyvips.Image:
    image = pyvips.Image.new_from_buffer(pictures.exif_jpeg(1), "").copy_memory().copy()
    image.set_type(
        pyvips.GValue.blob_type, "xmp-data", b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + pictures.GPS_MARK + b"</x:xmpmeta>"
    )
    image.set_type(pyvips.GValue.blob_type, "iptc-data", pictures.GPS_MARK)
    image.set_type(pyvips.GValue.gstr_type, "png-comment-0-Author", pictures.GPS_MARK.decode())
    return image


@pytest.mark.parametrize("chain", ["strip", "resize:20x20", "flip", "crop:9x9+0+0|blur:1", "autorotate:false"])
@pytest.mark.parametrize("made", ["jpeg", "png", "webp", "avif", "gif"])
@pytest.mark.parametrize("given", ["jpeg", "png", "webp", "tiff"])
def test_a_result_carries_nothing_but_pixels(given: str, made: str, chain: str, rendered: Renderer) -> None:
    data = bytes(getattr(_loaded_with_everything(), f"{given}save_buffer")(profile="p3"))
    assert pictures.GPS_MARK in data

    _, path = rendered(data, f"{chain}|format:{made}", f"image/{given}")

    result = path.read_bytes()
    assert [mark for mark in PRIVATE if mark in result] == []
    fields = pyvips.Image.new_from_file(str(path)).get_fields()
    assert [name for name in fields if name.startswith(NOTES)] == []


OWNER, RIGHTS = "Zoë Müller".encode(), "© 2026 Ζωή (all rights)".encode()
EXIF_OF_OURS = {
    *("exif-ifd0-Artist", "exif-ifd0-Copyright", "exif-ifd0-Orientation", "exif-ifd0-XResolution", "exif-ifd0-YResolution"),
    *("exif-ifd0-ResolutionUnit", "exif-ifd0-YCbCrPositioning", "exif-ifd2-ExifVersion", "exif-ifd2-ComponentsConfiguration"),
    *("exif-ifd2-FlashpixVersion", "exif-ifd2-ColorSpace", "exif-ifd2-PixelXDimension", "exif-ifd2-PixelYDimension"),
}
"""Fields for the copyright and for decoding the pixels."""


def _exif(order: str = "<", owner: bytes = OWNER, rights: bytes = RIGHTS) -> bytes:
    """Artist, copyright, and private data around them: description, unknown tag, location, thumbnail."""
    texts = {0x010E: pictures.GPS_MARK, 0x013B: owner, 0x8298: rights, 0xC5A0: pictures.GPS_MARK}
    start = 8 + 2 + 12 * (len(texts) + 2) + 4
    entries, values = [(0x0112, 3, 1, struct.pack(f"{order}HH", 6, 0))], b""
    for tag, text in texts.items():
        inline = len(text) < 4
        entries.append((tag, 2, len(text) + 1, text.ljust(4, b"\0") if inline else struct.pack(f"{order}I", start + len(values))))
        values += b"" if inline else text + b"\0"
    place = start + len(values)
    entries.append((0x8825, 4, 1, struct.pack(f"{order}I", place)))
    where = struct.pack(f"{order}H", 1) + struct.pack(f"{order}HHI4s", 1, 2, 2, b"N\0\0\0") + bytes(4)
    table = b"".join(struct.pack(f"{order}HHI", *entry[:3]) + entry[3] for entry in sorted(entries))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    return b"Exif\0\0" + head + table + bytes(4) + values + where


def _owned(given: str, exif: bytes | None = None) -> bytes:
    """A picture that lies on its side and carries every kind of metadata."""
    image = pictures.scene(64, 48).rot270().copy()
    plain = bytes(image.jpegsave_buffer(Q=95, keep="none"))
    exif = exif or _exif()
    jpeg = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    if given == "jpeg":
        return jpeg
    image = pyvips.Image.new_from_buffer(jpeg, "").copy_memory().copy()
    image.set_type(pyvips.GValue.blob_type, "xmp-data", b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + pictures.GPS_MARK)
    image.set_type(pyvips.GValue.gstr_type, "png-comment-0-Author", pictures.GPS_MARK.decode())
    return bytes(getattr(image, f"{given}save_buffer")())


def _notes(path: Path) -> dict[str, object]:
    image = pyvips.Image.new_from_file(str(path))
    return {name: image.get(name) for name in image.get_fields() if name.startswith(NOTES)}


@pytest.mark.parametrize("chain", ["strip", "resize:32x32", "crop:20x20+0+0|blur:1", "rotate:90|grayscale"])
@pytest.mark.parametrize("made", ["jpeg", "png", "webp", "avif"])
@pytest.mark.parametrize("given", ["jpeg", "png", "webp"])
def test_keep_copyright_keeps_artist_and_copyright_only(given: str, made: str, chain: str, rendered: Renderer) -> None:
    data = _owned(given)
    assert pictures.GPS_MARK in data

    facts, path = rendered(data, f"keep:copyright|{chain.replace('strip', 'flip')}|format:{made}", f"image/{given}")

    result, notes = path.read_bytes(), _notes(path)
    assert OWNER in result
    assert RIGHTS in result
    assert [mark for mark in (pictures.GPS_MARK, b"xmpmeta", b"ICC_PROFILE", b"iCCP", b"ICCP") if mark in result] == []
    assert set(notes) - {"exif-data", "orientation"} <= EXIF_OF_OURS
    assert notes.get("orientation", 1) == 1
    assert pyvips.Image.new_from_file(str(path)).width == facts.width


@pytest.mark.parametrize("order", ["<", ">"])
def test_keep_copyright_reads_both_byte_orders(order: str, rendered: Renderer) -> None:
    assert copyright_exif(_exif(order)) == copyright_exif(_exif("<"))
    assert OWNER in rendered(_owned("jpeg", _exif(order)), "keep:copyright")[1].read_bytes()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_keep_copyright_works_for_tiff(big: bool, order: str, rendered: Renderer) -> None:
    """For any directory that is shown, and any way of reading its samples."""
    owned: Fields = {315: (ASCII, OWNER + b"\0")}
    chains = (
        [halves((1, 2, 3), (3, 2, 1), "u1", RGB, owned, order=order)],
        [halves((0.1,), (0.2,), "f4", 1, owned, order=order)],
        [picture(8, 6, owned | {254: (LONG, (1,))}), picture()],
        [Ifd(picture(8, 6).fields | owned | {254: (LONG, (1,))}, (picture(),), bytes(144))],
    )
    for chain in chains:
        data = written(*chain, order=order, big=big)
        assert OWNER in rendered(data, "keep:copyright|format:jpeg", "image/tiff")[1].read_bytes()
        assert OWNER not in rendered(data, "format:jpeg", "image/tiff")[1].read_bytes()


@pytest.mark.parametrize("owner", ["Müller".encode("latin-1"), b"Jo", "Ян".encode(), b"x" * 2000])
def test_a_name_is_kept_byte_for_byte(owner: bytes, rendered: Renderer) -> None:
    assert owner in rendered(_owned("jpeg", _exif(owner=owner)), "keep:copyright")[1].read_bytes()


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"Exif\0\0II*\0" + b"\xff" * 4,
        b"Exif\0\0II*\0" + struct.pack("<IH", 8, 65535) + struct.pack("<HHII", 0x013B, 2, 2**32 - 1, 0),
        b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + struct.pack(">HHII", 0x013B, 2, 2000, 2**31),
        b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHI4s", 0x013B, 2, 4, b"\0\0\0\0"),
        _exif(owner=b"x" * 5000, rights=b""),
    ],
)
def test_exif_that_names_nobody_or_is_broken_leaves_nothing(exif: bytes) -> None:
    assert copyright_exif(exif) is None


def test_keep_copyright_of_a_picture_that_names_nobody_keeps_nothing(rendered: Renderer) -> None:
    assert _notes(rendered(pictures.jpeg(), "keep:copyright")[1]) == {}


def test_profile_and_owner_can_both_be_kept(rendered: Renderer) -> None:
    data = pyvips.Image.new_from_buffer(_owned("jpeg"), "").jpegsave_buffer(profile="p3")

    _, path = rendered(bytes(data), "keep:icc;copyright")

    assert OWNER in path.read_bytes()
    assert pictures.GPS_MARK not in path.read_bytes()
    assert "icc-profile-data" in _notes(path)

"""Scaling: visible colours of translucent pixels, and the assumption about the GIF loader."""

import struct
from pathlib import Path

import pytest
import pyvips

from internal.pipeline.vips.loaders import SOURCES
from internal.pipeline.vips.picture import Picture
from tests import pictures
from tests.unit.pipeline.conftest import Renderer, apply_chain

KEEP, TO_BACKGROUND, TO_PREVIOUS = 1, 2, 3
RED_BACKGROUND, CLEAR, BLUE = 0, 1, 2
PALETTE = bytes.fromhex("ff0000 00ff00 0000ff ffffff")


def gif_of(disposal: int, transparent: bool = True) -> bytes:
    """4x4 pixels, two frames: one with a blue upper half, then a single transparent pixel at the centre."""
    head = b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x91, RED_BACKGROUND, 0) + PALETTE
    first = _frame((0, 0, 4, 4), [BLUE] * 8 + [CLEAR] * 8, disposal, transparent)
    return head + first + _frame((1, 1, 1, 1), [CLEAR], disposal, transparent) + b";"


def _frame(box: tuple[int, int, int, int], indices: list[int], disposal: int, transparent: bool) -> bytes:
    """Its LZW codes of three bits restart before every pixel: 4 is the clear code, 5 the end."""
    codes = [code for index in indices for code in (4, index)] + [5]
    stream = sum(code << (3 * place) for place, code in enumerate(codes))
    data = stream.to_bytes(-(-3 * len(codes) // 8), "little")
    control = b"\x21\xf9\x04" + struct.pack("<BHBB", disposal << 2 | transparent, 10, CLEAR, 0)
    return control + b"," + struct.pack("<HHHHB", *box, 0) + b"\x02" + bytes([len(data)]) + data + b"\0"


@pytest.mark.parametrize(
    "data",
    [*(gif_of(disposal) for disposal in (0, KEEP, TO_BACKGROUND, TO_PREVIOUS)), gif_of(TO_BACKGROUND, False), pictures.gif()],
    ids=["no word", "keep", "to background", "to previous", "opaque", "by libvips"],
)
def test_a_transparent_pixel_of_a_gif_is_black(data: bytes, tmp_path: Path) -> None:
    """Whatever the palette says: GIF pixels are premultiplied already, and alpha is 0 or 255."""
    assert {media_type for media_type, source in SOURCES.items() if source.premultiplied} == {"image/gif"}
    (tmp_path / "gif").write_bytes(data)
    source = SOURCES["image/gif"](tmp_path / "gif", "image/gif", tmp_path, "source")
    pixels = source.decode(None, animated=source.header.frames > 1)

    if pixels.hasalpha():
        alpha = pixels[3]
        assert {alpha.getpoint(x, y)[0] for x in range(pixels.width) for y in range(pixels.height)} <= {0, 255}
        assert (pixels[:3].bandor() & (alpha == 0)).max() == 0


@pytest.mark.parametrize("size", ["63x47", "31x90", "200x150"])
@pytest.mark.parametrize("pixel", [(200, 100, 50, 77), (1, 2, 3, 255), (254, 253, 128, 3), (200, 9), (200, 100, 50), (7,)])
def test_a_plain_picture_looks_the_same_in_every_size(size: str, pixel: tuple[int, ...]) -> None:
    """Over any background, a colour may differ by one step where it is opaque, and by more the less opaque it is."""
    pixels = pyvips.Image.black(64, 48, bands=len(pixel)).linear(1, list(pixel)).cast("uchar")
    alpha = pixel[-1] if len(pixel) in (2, 4) else 255

    made = apply_chain(
        f"resize:{size},fit=fill,enlarge=true", Picture(pixels.copy(interpretation="srgb" if len(pixel) > 2 else "b-w"))
    )

    found = made.pixels.getpoint(30, 20)
    assert len(found) == len(pixel)
    assert found[-1] == pixel[-1]
    assert max(abs(now - before) for now, before in zip(found, pixel, strict=True)) * alpha / 255 <= 0.51


@pytest.mark.parametrize("size", ["20x9", "19x30"])
def test_hidden_colours_do_not_bleed(size: str) -> None:
    made = apply_chain(f"resize:{size},fit=fill,enlarge=true", Picture(hidden_red(12, 12))).pixels

    assert red_seen(made) <= 0.51


@pytest.mark.parametrize("size", [25, 60, 90, 199])
def test_hidden_colours_do_not_bleed_in_a_webp_scaled_on_load(size: int, rendered: Renderer) -> None:
    """libwebp would scale red next to grey without regard to alpha."""
    data = hidden_red(101, 99).webpsave_buffer(Q=90, exact=True)

    _, path = rendered(data, f"resize:{size}x|format:png", "image/webp")

    assert red_seen(pyvips.Image.new_from_file(str(path))) <= 3


def hidden_red(left: int, right: int) -> pyvips.Image:
    """Opaque grey columns on the left, transparent red on the right."""
    halves = ((left, [100, 100, 100, 255]), (right, [255, 0, 0, 0]))
    grey, red = (pyvips.Image.black(width, 10, bands=4).linear(1, pixel) for width, pixel in halves)
    return grey.join(red, "horizontal").cast("uchar").copy(interpretation="srgb")


def red_seen(pixels: pyvips.Image) -> float:
    """The largest visible excess of red over grey in a row, from 0 to 255."""
    row: list[list[float]] = [pixels.getpoint(x, pixels.height // 2) for x in range(pixels.width)]
    return max((red - green) * alpha / 255 for red, green, _, alpha in row)

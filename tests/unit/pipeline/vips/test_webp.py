"""Animated WebP: transparent areas are transparent in every reader.

With libvips 8.18.7 (libwebp 1.6.0) the alpha flag is missing if opaque frames leave a part of the canvas clear: Pillow 13.0.0
shows black there.
"""

import io

import pytest
from PIL import Image

from tests.gifs import GifFrame, gif_file, plain
from tests.unit.pipeline.conftest import Renderer

ALPHA = 0x10
CLEAR, GREEN = (0, 0, 0, 0), (0, 200, 0, 255)


def _frame(index: int, left: int, *, width: int = 20, disposal: int = 2) -> GifFrame:
    return GifFrame(plain(index, width, 20), left, 0, disposal, transparent=0)


@pytest.mark.parametrize(
    "chain", ["format:webp|lossless", "format:webp", "format:webp|max_bytes:50000", "grayscale|format:webp|lossless"]
)
@pytest.mark.parametrize(
    "frames",
    [
        [_frame(1, 10), _frame(2, 10), _frame(1, 10)],
        [_frame(1, 0), _frame(2, 20), _frame(1, 40)],
        [_frame(1, 0, width=64), _frame(2, 20), _frame(1, 40)],
        [_frame(1, 0, disposal=1), _frame(2, 20, disposal=1)],
    ],
    ids=["never drawn", "here and there", "bare later", "covered bit by bit"],
)
def test_undrawn_areas_are_transparent(frames: list[GifFrame], chain: str, rendered: Renderer) -> None:
    data = gif_file(64, 20, *frames)

    facts, path = rendered(data, chain, "image/gif")

    with Image.open(path) as made, Image.open(io.BytesIO(data)) as came:
        assert facts.frames == len(frames)
        for number in range(len(frames)):
            made.seek(number)
            came.seek(number)
            assert made.mode == "RGBA"
            assert made.getchannel("A").tobytes() == came.convert("RGBA").getchannel("A").tobytes()


@pytest.mark.parametrize("disposal", [1, 2])
def test_an_animation_that_shows_no_transparency_says_so(disposal: int, rendered: Renderer) -> None:
    """Its frames have a transparent index, so an alpha channel, but no transparent pixel."""
    whole = [_frame(1, 0, width=64, disposal=disposal), _frame(2, 0, width=64, disposal=disposal)]
    _, path = rendered(gif_file(64, 20, *whole), "format:webp", "image/gif")

    assert not path.read_bytes()[20] & ALPHA


def test_a_frame_with_alpha_keeps_the_flag(rendered: Renderer) -> None:
    holes = [GifFrame([[0, index] * 20] * 20, disposal=2, transparent=0) for index in (1, 2)]
    _, path = rendered(gif_file(40, 20, *holes), "format:webp|lossless", "image/gif")

    assert path.read_bytes()[20] & ALPHA
    with Image.open(path) as made:
        assert [made.convert("RGBA").getpixel((x, 5)) for x in (0, 1)] == [CLEAR, GREEN]

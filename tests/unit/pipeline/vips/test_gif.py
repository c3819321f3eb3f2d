"""GIF: every frame is as the specification and browsers show it: on the logical screen, transparent where nothing is drawn.

For the unchanged files libvips 8.18.7 (libnsgif) shows the first frame's size for some screens, its background colour or black
for clear areas, no frames after a NUL, and wrong rows of an interlaced frame that reaches below the screen.
"""

import io
import random
from pathlib import Path

import msgspec
import pytest
import pyvips

from internal.domain.errors import ImageTooLarge, InvalidImage
from internal.pipeline.containers import gif_screen
from internal.pipeline.containers.gif_screen import MAX_ROWS_BELOW, gif_size
from internal.pipeline.vips.loaders.gif import GifSource
from tests import gifs, pictures
from tests.gifs import CLEAR, GifFrame, composed, gif_file, head, plain
from tests.unit.pipeline.conftest import Renderer

BLUE, WHITE = (0, 0, 255, 255), (250, 250, 250, 255)
MONITORS = [(640, 480), (640, 512), (800, 600), (1024, 768), (1280, 1024), (1600, 1200)]
OTHERS = [(1920, 1080), (2049, 100), (100, 2049), (2048, 100), (639, 480), (480, 640)]


@pytest.fixture
def opened(tmp_path: Path) -> "Opener":
    return Opener(tmp_path)


class Opener:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, data: bytes) -> GifSource:
        for left in self._folder.iterdir():
            left.unlink()
        (self._folder / "file").write_bytes(data)
        return GifSource(self._folder / "file", "image/gif", self._folder, "source")


def _memory(canvases: list[gifs.Canvas], *, alpha: bool) -> bytes:
    return bytes(value for canvas in canvases for row in canvas for pixel in row for value in pixel[: 4 if alpha else 3])


def _pixels(source: GifSource, *, animated: bool) -> pyvips.Image:
    return source.reopened().decode(None, animated=animated).copy_memory()


@pytest.mark.parametrize("seed", range(150))
def test_every_frame_is_shown_as_the_specification_says(seed: int, opened: Opener) -> None:
    chance = random.Random(seed)
    width, height = chance.randint(1, 20), chance.randint(1, 20)
    frames = gifs.any_frames(chance, width, height)
    screen = gifs.screen_of(width, height, frames)
    canvases = composed(*screen, frames)
    data = gif_file(width, height, *frames, background=chance.randrange(4), loop=3)
    data = data[:-1] + chance.choice((b";", b";", b"", b"\0;"))

    source = opened(data)
    made = _pixels(source, animated=len(frames) > 1)

    indexed = any(frame.control and frame.transparent is not None for frame in frames)
    assert source.header.has_alpha == made.hasalpha() == (indexed or gifs.is_clear_somewhere(canvases))
    assert (source.header.width, source.header.height, source.header.frames) == (*screen, len(frames))
    assert gif_size(io.BytesIO(data)) == screen
    assert bytes(made.write_to_memory()) == _memory(canvases, alpha=made.hasalpha())
    assert bytes(_pixels(source, animated=False).write_to_memory()) == _memory(canvases[:1], alpha=made.hasalpha())
    if len(frames) > 1:
        assert made.get("delay") == [70 if frame.control else 100 for frame in frames]
        assert made.get("loop") == 4


@pytest.mark.parametrize(("width", "height"), [*MONITORS, *OTHERS])
def test_the_logical_screen_is_the_size(width: int, height: int, opened: Opener) -> None:
    """libvips 8.18.7 shows the first six, and screens with a side above 2048, in the size of the first frame: here 30x20."""
    frames = [GifFrame(plain(2, 24, 16), 6, 4), GifFrame(plain(3, 10, 8), width - 10, height - 8)]
    indexed = [msgspec.structs.replace(frame, transparent=1) for frame in frames]
    for some in (frames, frames[:1], indexed, indexed[:1]):
        source = opened(gif_file(width, height, *some))

        assert (source.header.width, source.header.height) == (width, height)
        assert source.header.has_alpha
        last = _pixels(source, animated=len(some) > 1).crop(0, height * (len(some) - 1), width, height)
        assert (tuple(last.getpoint(6, 4)), tuple(last.getpoint(0, 0))) == (BLUE, CLEAR)
        assert tuple(last.getpoint(width - 1, height - 1)) == (WHITE if len(some) > 1 else CLEAR)


@pytest.mark.parametrize("screen", [(0, 0), (0, 16), (24, 0)])
def test_a_screen_without_pixels_is_as_large_as_the_first_frame(screen: tuple[int, int], opened: Opener) -> None:
    source = opened(gif_file(*screen, GifFrame(plain(2, 24, 16))))

    assert (source.header.width, source.header.height, source.header.has_alpha) == (24, 16, False)
    assert gif_size(io.BytesIO(gif_file(*screen, GifFrame(plain(2, 24, 16))))) == (24, 16)


def _covering(*disposals: int) -> list[GifFrame]:
    return [GifFrame(plain(index % 4, 640, 480), disposal=disposal) for index, disposal in enumerate(disposals)]


@pytest.mark.parametrize(
    "frames",
    [
        _covering(0),
        _covering(0, 2, 3, 1),
        [*_covering(2), GifFrame(plain(1, 700, 500), disposal=2), *_covering(0)],
        [*_covering(1), GifFrame(plain(2, 9, 9), 5, 5, disposal=2), GifFrame(plain(3, 20, 20), 2, 2), GifFrame(plain(1, 2, 2))],
    ],
    ids=["still", "whole frames", "beyond the screen", "what is cleared is covered"],
)
def test_a_gif_that_covers_its_screen_has_no_alpha_and_is_not_copied(frames: list[GifFrame], opened: Opener) -> None:
    source = opened(gif_file(640, 480, *frames))

    assert source.path.name == "file"
    assert not source.header.has_alpha
    assert _pixels(source, animated=len(frames) > 1).bands == 3


@pytest.mark.parametrize("disposal", [2, 3])
def test_a_first_frame_that_is_taken_away_leaves_the_screen_bare(disposal: int, opened: Opener) -> None:
    frames = [GifFrame(plain(1, 30, 20), disposal=disposal), GifFrame(plain(2, 10, 20))]
    source = opened(gif_file(30, 20, *frames))

    assert source.header.has_alpha
    assert bytes(_pixels(source, animated=True).write_to_memory()) == _memory(composed(30, 20, frames), alpha=True)


@pytest.mark.parametrize("result", ["gif", "webp"])
def test_clear_areas_stay_clear_in_a_scaled_animation(result: str, rendered: Renderer) -> None:
    """A box moves over a clear screen. libvips 8.18.7 leaves a trail in the background colour, here green."""
    boxes = [GifFrame(plain(2, 40, 40), 40 * step, 20, disposal=2) for step in range(4)]

    facts, path = rendered(gif_file(160, 80, *boxes), f"resize:80x40|format:{result}", "image/gif")

    roll = pyvips.Image.new_from_file(str(path), n=-1)
    assert (facts.width, facts.height, facts.frames, roll.hasalpha()) == (80, 40, 4, True)
    for step in range(4):
        for other in range(4):
            *_, alpha = roll.getpoint(20 * other + 10, 40 * step + 20)
            assert alpha == (255 if other == step else 0)
        assert roll.getpoint(40, 40 * step + 2)[3] == 0


def test_a_result_without_transparency_has_its_ground_where_nothing_is_drawn(rendered: Renderer) -> None:
    """libvips 8.18.7 shows black, because it finds no alpha here."""
    _, path = rendered(gif_file(40, 30, GifFrame(plain(2, 20, 30))), "format:jpeg|quality:95", "image/gif")

    assert min(pyvips.Image.new_from_file(str(path)).getpoint(30, 15)) >= 253


THREE = [GifFrame(plain(index, 30, 20)) for index in range(3)]
WRITTEN = [frame.written() for frame in THREE]


@pytest.mark.parametrize(
    ("data", "frames"),
    [
        (head(30, 20) + b"".join(WRITTEN), 3),
        (head(30, 20) + WRITTEN[0], 1),
        (head(30, 20) + b"".join(WRITTEN) + b"\0;", 3),
        (head(30, 20) + b"\0" * 70000 + b"\0".join(WRITTEN) + b";", 3),
        (head(30, 20) + b"".join(WRITTEN) + b"\0" * 500, 3),
        (head(30, 20) + b"".join(WRITTEN) + b";" + bytes(500), 3),
        (head(30, 20) + b"".join(WRITTEN) + b";made by somebody", 3),
        (head(30, 20) + b"".join(WRITTEN) + b"!\xfe\4text\0", 3),
        (head(30, 20) + WRITTEN[0] + b"\0" + WRITTEN[1][:8] + b"\0\0" + WRITTEN[1][8:], 2),
    ],
    ids=["no trailer", "one and no trailer", "NUL, trailer", "NULs between", "NULs at the end", "NULs behind", "text behind",
         "comment and no trailer", "NULs before an image"],
)  # fmt: skip
def test_padding_and_a_missing_trailer_do_no_harm(data: bytes, frames: int, opened: Opener) -> None:
    source = opened(data)

    assert (source.header.frames, source.header.has_alpha) == (frames, False)
    made = _pixels(source, animated=frames > 1)
    assert bytes(made.write_to_memory()) == _memory(composed(30, 20, THREE[:frames]), alpha=False)


def test_a_gif_cut_inside_a_block_is_refused(opened: Opener) -> None:
    whole = gif_file(30, 20, *THREE)
    ends = {len(head(30, 20)) + sum(map(len, WRITTEN[:count])) for count in (1, 2, 3)}
    for length in range(len(whole)):
        if length in ends:
            assert opened(whole[:length]).header.frames
        else:
            with pytest.raises(InvalidImage, match="cut short"):
                opened(whole[:length])


@pytest.mark.parametrize("tail", [b"", b";", b"\0;"])
def test_a_frame_blanked_by_zeros_is_refused(tail: bytes, opened: Opener) -> None:
    """Like an incomplete download into a preallocated file. Zeros end the data of the frame, and libnsgif accepts that."""
    whole = head(30, 20) + b"".join(WRITTEN)
    source = opened(whole[:-100] + bytes(100) + tail)

    for animated in (True, False):
        with pytest.raises(InvalidImage, match="cut short"):
            source.reopened().decode(None, animated=animated)


def test_a_gif_whose_frames_libnsgif_gives_up_is_refused(opened: Opener) -> None:
    """Codes of 12 bits and more: libnsgif stops there without an error."""
    bad = WRITTEN[1].replace(b"\2", b"\x0c", 1) if WRITTEN[1].count(b"\2") == 1 else WRITTEN[1][:18] + b"\x0c" + WRITTEN[1][19:]

    with pytest.raises(InvalidImage, match="damaged"):
        opened(head(30, 20) + WRITTEN[0] + bad + b";")


def test_an_interlaced_frame_far_below_the_screen_is_refused(opened: Opener) -> None:
    first = GifFrame(plain(1, 4, 4))
    near, far = (GifFrame(plain(2, 1, rows), interlaced=True) for rows in (MAX_ROWS_BELOW, MAX_ROWS_BELOW + 5))
    assert opened(gif_file(4, 4, first, near)).header.frames == 2

    with pytest.raises(InvalidImage):
        opened(gif_file(4, 4, first, far))


def test_a_gif_of_too_many_frames_is_refused(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gif_screen, "MAX_GIF_FRAMES", 3)
    opened(gif_file(30, 20, *THREE))

    with pytest.raises(ImageTooLarge):
        opened(gif_file(30, 20, *THREE, THREE[0]))


@pytest.mark.parametrize("first", [GifFrame(plain(1, 4, 4), 65_533), GifFrame(plain(1, 4, 4), 0, 65_533)])
def test_a_screen_that_grows_beyond_what_can_be_said_is_refused(first: GifFrame, opened: Opener) -> None:
    with pytest.raises(InvalidImage):
        opened(gif_file(4, 4, first))


@pytest.mark.parametrize("data", [b"", b"GIF89a", pictures.gif()[:12], b"GIF89a\0\0\0\0\0\0\0"])
def test_a_head_that_tells_no_size(data: bytes) -> None:
    assert gif_size(io.BytesIO(data)) is None


def test_a_head_that_ends_before_the_first_frame_tells_the_screen() -> None:
    assert gif_size(io.BytesIO(gif_file(9, 8, GifFrame(plain(0, 30, 20)))[:30])) == (9, 8)

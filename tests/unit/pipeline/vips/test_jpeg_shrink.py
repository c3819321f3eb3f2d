"""Shrink-on-load of JPEG keeps positions and all rows and columns.

libvips 8.18.7 drops up to seven columns and rows that a shrink does not divide, and stretches the rest over the result: a line
near the right edge of 1607 pixels is displaced by 0.9 pixels in a result of 200.
"""

import itertools
from pathlib import Path

import pytest
import pyvips

from internal.pipeline.containers.jpeg_scans import JpegFrame
from internal.pipeline.vips.loaders.jpeg import MAX_DISPLACEMENT, JpegSource
from internal.pipeline.vips.scaling import placement
from tests import pictures
from tests.jpegs import lossless_jpeg
from tests.unit.pipeline.conftest import Renderer

EXACT = 0.25
"""Tolerance in pixels of the result."""
SIZES = [(65, 8), (66, 8), (71, 8), (129, 16), (257, 32), (1001, 125), (1004, 125), (1004, 124), (1001, 250), (1002, 250)]
SIZES += [(1003, 250), (1001, 333), (1607, 200), (777, 49), (1999, 100), (803, 263), (333, 110)]


def _edge(length: int, at: int, *, down: bool, **options: object) -> bytes:
    """Dark up to `at`, then light, from the left or the top."""
    across = max(64, length // 6)
    place = pyvips.Image.xyz(*((across, length) if down else (length, across)))[1 if down else 0]
    light = (place >= at).ifthenelse(255, 0).cast("uchar")
    return bytes(light.bandjoin([light, light]).copy(interpretation="srgb").jpegsave_buffer(Q=98, **options))


def _edge_in(path: Path, *, down: bool) -> float:
    """Position of the edge in pixels, from the mean of a line."""
    image = pyvips.Image.new_from_file(str(path))[0]
    line = image.crop(image.width // 2, 0, 1, image.height) if down else image.crop(0, image.height // 2, image.width, 1)
    return float(max(line.width, line.height) - line.avg() * max(line.width, line.height) / 255)


@pytest.mark.parametrize("down", [False, True], ids=["across", "down"])
@pytest.mark.parametrize(("length", "wanted"), SIZES)
def test_edges_keep_their_position(length: int, wanted: int, down: bool, rendered: Renderer) -> None:
    chain = f"resize:{length}x{wanted}" if down else f"resize:{wanted}x{length}"
    for share, mode in itertools.product((0.1, 0.5, 0.95), ("on", "off")):
        at = round(length * share)
        data = _edge(length, at, down=down, subsample_mode=mode, interlace=mode == "on" and share == 0.5)

        facts, path = rendered(data, f"{chain}|format:png")

        assert (facts.height if down else facts.width) == wanted
        assert abs(_edge_in(path, down=down) - at * wanted / length) < EXACT


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    ("size", "differs"), [((1607, 1207), 60), ((1600, 1200), 60), ((807, 607), 60), ((1999, 1499), 60), ((1603, 1205), 110)]
)
def test_a_frame_keeps_all_four_sides(size: tuple[int, int], differs: int, orientation: int, rendered: Renderer) -> None:
    """Lines of six pixels. libvips 8.18.7 loses the right and lower side of the first. The last is displaced by 0.19 pixels."""
    inner = pyvips.Image.black(size[0] - 12, size[1] - 12, bands=3) + 255
    bordered = inner.embed(6, 6, *size).cast("uchar").copy(interpretation="srgb")
    bordered.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    data = bytes(bordered.jpegsave_buffer(Q=95))

    for chain in ("resize:200x", "resize:200x150,fit=cover", "resize:100x100", "resize:260x"):
        _, path = rendered(data, f"{chain}|format:png")

        made = pyvips.Image.new_from_file(str(path))
        across, down = made.width // 2, made.height // 2
        places = [(0, down), (made.width - 1, down), (across, 0), (across, made.height - 1)]
        if "cover" in chain:
            places = places[:2] if orientation == 6 and size[0] > size[1] else places[2:] if made.width < made.height else places
        values = [made.getpoint(*place)[0] for place in places]
        assert max(values) - min(values) < differs, (chain, values)


@pytest.mark.parametrize("size", [(1607, 1207), (1337, 999)])
@pytest.mark.parametrize("wanted", [90, 200, 300, 401])
def test_shrink_on_load_looks_like_a_full_decode(size: tuple[int, int], wanted: int, rendered: Renderer) -> None:
    data = pictures.photo_jpeg(*size)
    _, path = rendered(data, f"resize:{wanted}x|format:png")

    made = pyvips.Image.new_from_file(str(path))
    full = pyvips.Image.jpegload_buffer(data).resize(made.width / size[0], vscale=made.height / size[1])
    assert (made - full).abs().avg() < 1.5
    border = (made - full).abs().crop(made.width - 2, 0, 2, made.height)
    assert border.avg() < 4


def test_a_lossless_jpeg_is_shown_in_whole(rendered: Renderer) -> None:
    """libvips 8.18.7 would return the upper left part instead of a smaller picture."""
    data = lossless_jpeg([[40] * 60 + [200] * 60 for _ in range(90)])

    for wanted in (30, 20, 12):
        facts, path = rendered(data, f"resize:{wanted}x|format:png")

        made = pyvips.Image.new_from_file(str(path))
        assert (facts.width, made.getpoint(1, 3), made.getpoint(wanted - 2, 3)) == (wanted, [40], [200])


@pytest.mark.parametrize("divided", [2, 4, 8])
def test_a_partial_edge_is_kept_in_place(divided: int) -> None:
    """For all remainders and a range of sizes. If a shrink displaces too much, a smaller one does not."""
    for length, wanted in itertools.product(range(200, 230), range(5, 40)):
        if not divided <= length / wanted <= 2 * divided + 2:
            continue
        pixels, covered = -(-length // divided), length / divided
        found = placement(pixels, covered, wanted)

        made = int((found.before + pixels + found.after) * wanted / covered + 0.5)
        assert 0 <= found.dropped <= made - wanted
        assert found.shift <= (EXACT if 2 * (length % divided) == divided else MAX_DISPLACEMENT)
        half = placement(-(-2 * length // divided), 2 * covered, wanted)
        assert min(found.shift, half.shift) <= MAX_DISPLACEMENT


@pytest.mark.parametrize(("side", "shrink"), [(1000, 8), (1001, 8), (1004, 4), (1260, 8), (999, 4), (502, 2), (374, 1)])
def test_the_largest_shrink_is_taken_that_is_exact_enough(side: int, shrink: int, tmp_path: Path) -> None:
    """Half a pixel is the worst remainder: 1004 / 8 is 125.5."""
    (tmp_path / "file").write_bytes(pictures.jpeg(side, side))
    source = JpegSource(tmp_path / "file", "image/jpeg", tmp_path, "source")

    assert source.decode((125, 125), animated=False).width == -(-side // shrink)


@pytest.mark.parametrize(
    ("components", "room"),
    [([(1, 2, 2), (2, 1, 1), (3, 1, 1)], True), ([(1, 4, 1), (2, 1, 1)], True), ([(1, 3, 1), (2, 2, 1)], False)],
)
def test_a_size_with_the_same_blocks_in_every_component_fits(components: list[tuple[int, int, int]], room: bool) -> None:
    frame = JpegFrame(0, 0xC0, 33, 50, components)

    assert frame.has_room_for(33, 50)
    assert frame.has_room_for(40, 56) == room
    assert not frame.has_room_for(70_000, 50)


def test_a_size_that_the_shrink_divides_is_read_from_the_file_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed: sizes of cameras are multiples of 8."""
    (tmp_path / "file").write_bytes(pictures.photo_jpeg(1600, 1200))
    source = JpegSource(tmp_path / "file", "image/jpeg", tmp_path, "source")
    monkeypatch.setattr(pyvips.Image, "jpegload_buffer", None, raising=False)

    pixels = source.decode((150, 112), animated=False)

    assert (pixels.width, pixels.height, source.covered(pixels)) == (200, 150, None)

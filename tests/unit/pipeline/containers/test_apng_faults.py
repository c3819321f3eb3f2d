"""Invalid animated PNG: invalid chunks leave the static picture, damaged pixels are refused."""

import struct
import zlib
from itertools import chain as chained
from pathlib import Path

import pytest
import pyvips

from internal.domain.errors import InvalidImage
from internal.pipeline.containers.apng import read_animation
from internal.pipeline.containers.png_chunks import MAX_CHUNKS
from internal.pipeline.vips.loaders.png import PngSource
from tests import pictures
from tests.apngs import (
    Drawn,
    actl,
    apng,
    chunks_of,
    colour,
    data_of,
    fctl,
    fdat,
    joined,
)
from tests.pictures import BLUE, GREEN, RED, png_chunk, with_png_chunks
from tests.unit.pipeline.conftest import JobRenderer, Renderer

FRAMES = [Drawn(colour(rgb, 8, 6)) for rgb in (RED, GREEN, BLUE)]


def with_chunk(position: int, *instead: bytes) -> bytes:
    """The three frames with this chunk replaced by others, or removed.

    0 IHDR, 1 acTL, 2 fcTL, 3 IDAT, 4 fcTL, 5 fdAT, 6 fcTL, 7 fdAT, 8 IEND.
    """
    chunks = chunks_of(apng(FRAMES))
    return joined([*chunks[:position], *instead, *chunks[position + 1 :]])


_CHUNKS = chunks_of(apng(FRAMES))


_THIRD = FRAMES[2]


def _fctl_of(width: int, height: int, left: int = 0, top: int = 0, dispose: int = 0, blend: int = 0, number: int = 3) -> bytes:
    return png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, width, height, left, top, 1, 10, dispose, blend))


FAULTS = {
    "no acTL": with_chunk(1),
    "acTL behind the pixels": with_chunk(3, _CHUNKS[3], _CHUNKS[1])[: 8 + 25]
    + with_chunk(3, _CHUNKS[3], _CHUNKS[1])[8 + 25 + 20 :],
    "two acTL": with_chunk(1, _CHUNKS[1], _CHUNKS[1]),
    "short acTL": with_chunk(1, png_chunk(b"acTL", bytes(7))),
    "damaged acTL": with_chunk(1, _CHUNKS[1][:-1] + bytes([_CHUNKS[1][-1] ^ 1])),
    "more frames than there are": with_chunk(1, actl(4)),
    "fewer frames than there are": with_chunk(1, actl(2)),
    "no frames": with_chunk(1, actl(0)),
    "two billion plays": with_chunk(1, actl(3, 2**31)),
    "four billion frames": with_chunk(1, actl(2**32 - 1)),
    "a number is left out": with_chunk(6, fctl(4, _THIRD)),
    "a number comes twice": with_chunk(6, fctl(2, _THIRD)),
    "frames change places": joined([*_CHUNKS[:4], *_CHUNKS[6:8], *_CHUNKS[4:6], _CHUNKS[8]]),
    "short fcTL": with_chunk(6, png_chunk(b"fcTL", bytes(25))),
    "damaged fcTL": with_chunk(6, _CHUNKS[6][:-1] + bytes([_CHUNKS[6][-1] ^ 1])),
    "short fdAT": with_chunk(7, png_chunk(b"fdAT", bytes(3))),
    "short fdAT whose checksum begins like the rest of its number": with_chunk(
        7, struct.pack(">I", 3) + b"fdAT" + bytes(3) + bytes([4, 0, 0, 0])
    ),
    "more pixels for the static picture": joined(
        [*_CHUNKS[:4], fdat(1, b""), fctl(2, _THIRD), fdat(3, data_of(apng(FRAMES[2:]))), _CHUNKS[8]]
    ).replace(actl(3), actl(2)),
    "pixels of a frame that IDAT has": joined(
        [*_CHUNKS[:3], fdat(1, b""), _CHUNKS[3], fctl(2, _THIRD), fdat(3, data_of(apng(FRAMES[2:]))), _CHUNKS[8]]
    ).replace(actl(3), actl(2)),
    "no frame before pixels that are not static": joined([_CHUNKS[0], actl(1), _CHUNKS[3], fdat(0, b""), _CHUNKS[8]]),
    "fcTL before the header": joined([_CHUNKS[2], *_CHUNKS]),
    "a frame without pixels": with_chunk(5),
    "the last frame without pixels": with_chunk(7),
    "pixels without a frame": with_chunk(6),
    "pixels before the static picture": joined([*_CHUNKS[:2], fdat(0, b""), *_CHUNKS[2:]]),
    "two frames for the static picture": with_chunk(2, fctl(0, FRAMES[0]), fctl(1, FRAMES[0])),
    "a static picture that goes on": joined([*_CHUNKS[:6], png_chunk(b"IDAT", b""), *_CHUNKS[6:]]),
    "no width": with_chunk(6, _fctl_of(0, 6)),
    "no height": with_chunk(6, _fctl_of(8, 0)),
    "beyond the right side": with_chunk(6, _fctl_of(8, 6, left=1)),
    "beyond the bottom": with_chunk(6, _fctl_of(8, 6, top=1)),
    "far beyond": with_chunk(6, _fctl_of(8, 6, left=2**32 - 1)),
    "a first frame that is smaller": with_chunk(2, _fctl_of(7, 6, number=0)),
    "a first frame elsewhere": with_chunk(2, _fctl_of(8, 6, left=1, number=0)),
    "unknown disposal": with_chunk(6, _fctl_of(8, 6, dispose=3)),
    "unknown blending": with_chunk(6, _fctl_of(8, 6, blend=2)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_invalid_animation_leaves_the_static_picture(fault: str, render_job: JobRenderer) -> None:
    """PNG 3, section 4.9: decoders should show the static image when there is an error."""
    done = render_job(FAULTS[fault], "format:webp|lossless", "image/png", want_facts=True)

    assert done.rendered.result.frames == 1
    assert done.rendered.facts is not None
    assert done.rendered.facts.frames == 1
    assert pyvips.Image.new_from_file(str(done.target)).getpoint(4, 4) == list(RED)


def test_an_unchanged_animation_is_valid() -> None:
    """Control: the unchanged file is an animation."""
    assert joined(_CHUNKS) == apng(FRAMES) == with_chunk(6, _fctl_of(8, 6))


@pytest.mark.parametrize(
    "data",
    [
        with_chunk(7, _CHUNKS[7][:-1] + bytes([_CHUNKS[7][-1] ^ 1])),
        with_chunk(7, _CHUNKS[7][:20] + bytes([_CHUNKS[7][20] ^ 1]) + _CHUNKS[7][21:]),
        with_chunk(7, fdat(4, b"no pixels")),
        with_chunk(7, fdat(4, zlib.compress(bytes(9)))),
        with_chunk(7, fdat(4, b"")),
        with_chunk(7, fdat(4, zlib.compress(b"\7" * 6 * 25))),
    ],
    ids=["checksum", "bits", "no zlib", "too few rows", "nothing", "unknown filter"],
)
def test_a_frame_whose_pixels_are_damaged_is_no_part_of_a_result(data: bytes, rendered: Renderer) -> None:
    """A still shows the intact static picture; an animation would silently lack a frame."""
    for made in ("webp", "gif"):
        with pytest.raises(InvalidImage):
            rendered(data, f"format:{made}", "image/png")

    assert pyvips.Image.new_from_file(str(rendered(data, "strip", "image/png")[1])).getpoint(4, 4) == list(RED)


@pytest.mark.parametrize("length", [0, 5, 8, 9, 12, 14])
def test_a_header_of_another_length_is_refused(length: int, rendered: Renderer) -> None:
    for data in (with_chunk(0, png_chunk(b"IHDR", _CHUNKS[0][8:-4].ljust(14, b"\0")[:length])), FAULTS["no acTL"]):
        broken = data if b"acTL" in data else joined([png_chunk(b"IHDR", bytes(length)), *chunks_of(data)[1:]])
        with pytest.raises(InvalidImage):
            rendered(broken, "format:webp", "image/png")


@pytest.mark.parametrize("made", ["webp", "png"])
def test_an_animation_that_is_cut_short_is_refused(made: str, rendered: Renderer) -> None:
    whole = apng(FRAMES)
    for length in range(8, len(whole), 13):
        with pytest.raises(InvalidImage):
            rendered(whole[:length], f"format:{made}", "image/png")


def test_text_and_other_chunks_do_not_matter(rendered: Renderer) -> None:
    texts = [png_chunk(b"tEXt", b"Comment\0x") for _ in _CHUNKS]
    data = joined([*chained.from_iterable(zip(_CHUNKS, texts, strict=True))][:-1])

    assert rendered(data, "format:webp", "image/png")[0].frames == 3


def test_the_walk_is_bounded(tmp_path: Path) -> None:
    path, text = tmp_path / "source", png_chunk(b"tEXt", b"")
    path.write_bytes(joined([*_CHUNKS[:8], *[text] * (MAX_CHUNKS - 9), _CHUNKS[8]]))
    animation = read_animation(path)
    assert animation is not None
    path.write_bytes(joined([*_CHUNKS[:8], *[text] * (MAX_CHUNKS - 8), _CHUNKS[8]]))

    with pytest.raises(InvalidImage, match="too many chunks"):
        read_animation(path)


def test_frames_are_looked_for_in_animations_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def walk(path: Path) -> None:
        raise AssertionError(path)

    monkeypatch.setattr("internal.pipeline.vips.loaders.png.read_animation", walk)
    for data in (pictures.png(), with_png_chunks(pictures.png(), fctl(0, FRAMES[0]))):
        (tmp_path / "source").write_bytes(data)
        assert PngSource(tmp_path / "source", "image/png", tmp_path, "copy").header.frames == 1

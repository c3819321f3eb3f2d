"""ISOBMFF boxes of AVIF and HEIC files, and the error for a HEIC file."""

import io
import struct
from random import Random

import pytest
import pyvips

from internal.domain.errors import ImageTooLarge, UnsupportedMediaType
from internal.pipeline.containers.dimensions import Dimensions
from internal.pipeline.containers.isobmff import MAX_BOXES, Boxes, brands_of
from internal.ports.sandbox import RenderLimits
from tests import pictures
from tests.unit.pipeline.conftest import JobRenderer

AVIF = "image/avif"


def boxes(data: bytes) -> Boxes:
    return Boxes(io.BytesIO(data))


def box(kind: bytes, *contents: bytes) -> bytes:
    body = b"".join(contents)
    return struct.pack(">I4s", 8 + len(body), kind) + body


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_told_as_stored(orientation: int) -> None:
    """ISO/IEC 23008-12: `irot` turns anticlockwise by 90 degrees, `imir` 0 swaps top and bottom, 1 left and right."""
    data = pictures.turned_avif(orientation, 64, 48)

    assert boxes(data).dimensions() == Dimensions(*((48, 64) if orientation >= 5 else (64, 48)), orientation)
    assert boxes(data).codecs() == {b"av01"}
    assert boxes(data).frames() == 1


@pytest.mark.usefixtures("heif_input")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_facts_are_as_stored_and_the_result_is_upright(orientation: int, render_job: JobRenderer) -> None:
    made = render_job(pictures.turned_avif(orientation, 64, 48), "format:png", AVIF, want_facts=True).rendered

    assert made.facts is not None
    assert (made.facts.width, made.facts.height) == ((48, 64) if orientation >= 5 else (64, 48))
    assert made.facts.orientation == orientation
    assert (made.result.width, made.result.height) == (64, 48)


@pytest.mark.usefixtures("heif_input")
def test_limits_are_held_against_what_is_stored(render_job: JobRenderer) -> None:
    """The boxes in the first bytes, as at upload."""
    low = RenderLimits(70, 50, 10**6, 10, 10**6, 10**6)

    with pytest.raises(ImageTooLarge, match="48 x 64 pixels; the maximum height is 50"):
        render_job(pictures.turned_avif(6, 64, 48), "format:png", AVIF, limits=low)


@pytest.mark.usefixtures("heif_input")
def test_a_codec_that_we_can_not_decode_is_named(render_job: JobRenderer) -> None:
    """pyvips-binary 8.18.7 has libheif without HEVC."""
    assert boxes(pictures.heic()).codecs() == {b"hvc1"}
    assert boxes(pictures.heic()).dimensions() == Dimensions(64, 48, 1)

    with pytest.raises(UnsupportedMediaType, match=r"The picture is coded as HEVC, for which this service has no decoder\."):
        render_job(pictures.heic(), "format:png", "image/heic")


# Sequences

REORDERED = pictures.animated_avif(5).replace(b"ftypavis\0\0\0\0avifavis", b"ftypavif\0\0\0\0avifavis")


@pytest.mark.usefixtures("heif_input")
@pytest.mark.parametrize("data", [pictures.animated_avif(5), REORDERED], ids=["avis first", "avif first"])
def test_a_sequence_shows_its_first_frame_and_counts_all(data: bytes, render_job: JobRenderer) -> None:
    assert set(brands_of(data)) >= {b"avif", b"avis"}

    made = render_job(data, "format:png", AVIF, want_facts=True)

    assert made.rendered.facts is not None
    assert (made.rendered.facts.frames, made.rendered.facts.width, made.rendered.facts.height) == (5, 32, 24)
    assert made.rendered.result.frames == 1
    [red, *_] = pictures.QUARTERS
    assert all(abs(a - b) <= 6 for a, b in zip(pyvips.Image.new_from_file(str(made.target))(9, 9)[:3], red, strict=True))


@pytest.mark.usefixtures("heif_input")
@pytest.mark.parametrize("chain", ["format:webp", "format:gif", "resize:16x12|format:jpeg"])
def test_a_still_apng_has_one_frame_in_every_format(chain: str, render_job: JobRenderer) -> None:
    assert render_job(pictures.animated_avif(5), chain, AVIF).rendered.result.frames == 1


@pytest.mark.usefixtures("heif_input")
def test_a_sequence_of_too_many_frames_is_refused(render_job: JobRenderer) -> None:
    few = RenderLimits(100, 100, 10**6, 4, 10**6, 10**6)

    with pytest.raises(ImageTooLarge, match="The animation has 5 frames; the limit is 4"):
        render_job(pictures.animated_avif(5), "format:png", AVIF, limits=few)


def sequence(samples: int, listed: int, times: int, handler: bytes = b"pict") -> bytes:
    """A track with these numbers of samples: `stsz` (count and listed entries) and `stts`."""
    sizes = box(b"stsz", bytes(4), struct.pack(">II", 0, samples), bytes(4 * listed))
    tables = box(b"stbl", sizes, box(b"stts", bytes(4), struct.pack(">III", 1, times, 1)))
    media = box(b"mdia", box(b"hdlr", bytes(8), handler, bytes(12)), box(b"minf", tables))
    return box(b"ftyp", b"avis", bytes(4)) + box(b"moov", box(b"trak", media))


@pytest.mark.parametrize(
    ("data", "frames"),
    [
        (sequence(7, 7, 7), 7),
        (sequence(2**32 - 1, 7, 2**32 - 1), 7),  # at most the listed sizes
        (sequence(7, 7, 3), 3),  # at most the listed times
        (sequence(0, 0, 0), 1),
        (sequence(7, 7, 7, b"soun"), 1),
        (box(b"ftyp", b"avis", bytes(4)) + box(b"moov", box(b"trak")), 1),
        (box(b"ftyp", b"avis", bytes(4)), 1),
    ],
    ids=["right", "more than listed", "more than timed", "none", "a sound", "an empty track", "no track"],
)
def test_a_count_of_frames_is_believed_as_far_as_its_tables_go(data: bytes, frames: int) -> None:
    assert boxes(data).frames() == frames


@pytest.mark.parametrize(
    "data",
    [
        box(b"ftyp", b"avif") + box(b"meta", bytes(4), box(b"free") * 2 * MAX_BOXES, pictures.avif()),
        box(b"free") * 2 * MAX_BOXES + pictures.avif(),
        box(b"meta", bytes(4), box(b"pitm", bytes(4), b"\0\1")),
        struct.pack(">I4sQ", 1, b"meta", 2**63),
        struct.pack(">I4s", 4, b"meta"),
        b"",
    ],
    ids=["in meta", "before it", "no properties", "endless", "without a size", "empty"],
)
def test_boxes_without_end_are_not_walked(data: bytes) -> None:
    found = boxes(data)

    assert found.dimensions() is None
    assert (found.frames(), found.codecs()) == (1, frozenset())
    assert found._left >= 0


@pytest.mark.parametrize("seed", range(100))
def test_damaged_boxes_do_no_harm(seed: int) -> None:
    random = Random(seed)
    data = bytearray(random.choice([pictures.animated_avif(5), pictures.turned_avif(6), sequence(7, 7, 7)]))
    for _ in range(random.randrange(1, 40)):
        data[random.randrange(len(data))] = random.choice((0, 1, 255, random.randrange(256)))
    found = boxes(bytes(data[: random.randrange(len(data))]))

    picture = found.dimensions()
    assert picture is None or 1 <= picture.orientation <= 8
    assert found.frames() >= 1
    assert len(found.codecs()) < MAX_BOXES

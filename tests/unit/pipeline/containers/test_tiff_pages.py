"""The TIFF page to show: the first full picture, not a preview and not a mask. The search is bounded."""

from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pyvips

from internal.domain.errors import ImageTooLarge, InvalidImage, UnsupportedMediaType
from internal.intake.inspect import Measured, measure
from internal.pipeline.containers.camera_raw import raw_format
from internal.pipeline.containers.tiff_directory import open_tiff
from internal.pipeline.containers.tiff_fields import OutOfReach, TiffFile
from internal.pipeline.containers.tiff_pages import MAX_DIRECTORIES, main_directory
from internal.pipeline.vips.loaders.tiff import TiffSource
from tests.integration.conftest import POLICY
from tests.tiff_pictures import GREY, LZW, RGB, extra, halves
from tests.tiffs import ASCII, DOUBLE, LONG, SHORT, SLONG, Fields, Ifd, written
from tests.unit.pipeline.conftest import LIMITS, JobRenderer, Renderer

FULL, REDUCED, PAGE, MASK = 0, 1, 2, 4
FORMS: tuple[dict[str, Any], ...] = ({}, {"order": ">"}, {"big": True}, {"order": ">", "big": True})
SMALL, LARGE = (16, 8), (64, 48)


def picture(
    kind: int | None, size: tuple[int, int] = LARGE, level: int = 200, fields: Fields | None = None, **layout: Any
) -> Ifd:
    """A picture with this NewSubfileType, or without the field for None."""
    stated: Fields = {} if kind is None else {254: (LONG, (kind,))}
    return halves((level,) * 3, (level,) * 3, "u1", RGB, stated | (fields or {}), size=size, **layout)


def preview(**more: Any) -> Ifd:
    return picture(REDUCED, SMALL, 90, **more)


def below(ifd: Ifd, *others: Ifd) -> Ifd:
    return msgspec.structs.replace(ifd, below=others)


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize(
    "chain",
    [
        lambda **layout: [preview(**layout), picture(FULL, **layout)],
        lambda **layout: [preview(**layout), preview(**layout), picture(None, **layout)],
        lambda **layout: [preview(**layout), picture(PAGE, **layout), picture(PAGE, SMALL, 10, **layout)],
        lambda **layout: [below(preview(**layout), picture(FULL, **layout))],
        lambda **layout: [
            below(preview(**layout), preview(**layout), picture(FULL, tile=16, **layout)),
            picture(FULL, SMALL, **layout),
        ],
        lambda **layout: [below(preview(**layout), below(preview(**layout), picture(FULL, compression=LZW, **layout)))],
        lambda **layout: [picture(MASK, SMALL, **layout), picture(FULL, **layout)],
        lambda **layout: [picture(FULL, **layout), preview(**layout), picture(MASK, **layout)],
        lambda **layout: [below(picture(FULL, **layout), preview(**layout))],
        lambda **layout: [picture(PAGE, **layout), picture(PAGE, SMALL, 10, **layout)],
        lambda **layout: [
            picture(None, SMALL, 90, {255: (SHORT, (2,))}, **layout),
            picture(None, LARGE, 200, {255: (SHORT, (1,))}, **layout),
        ],
    ],
)
def test_the_first_full_picture_is_shown(chain: Any, form: dict[str, Any], rendered: Renderer) -> None:
    """libvips and other programs show the first directory."""
    data = written(*chain(order=form.get("order", "<")), **form)
    for operations, size in (("format:png", LARGE), ("resize:32x24|format:jpeg", (32, 24))):
        facts, path = rendered(data, operations, "image/tiff")
        assert (facts.width, facts.height) == size
        assert abs(pyvips.Image.new_from_file(str(path)).avg() - 200) < 2


def test_its_size_alpha_and_orientation_are_those_of_the_original(render_job: JobRenderer) -> None:
    clear = halves((200, 128), (200, 128), "u1", GREY, {274: (SHORT, (6,))} | extra(2), size=LARGE)
    made = render_job(written(below(preview(fields={274: (SHORT, (3,))}), clear)), "strip", "image/tiff", want_facts=True)
    facts, result = made.rendered.facts, made.rendered.result
    assert facts
    assert (facts.width, facts.height, facts.orientation, facts.has_alpha) == (*LARGE, 6, True)
    assert (result.width, result.height, result.content_type) == (48, 64, "image/png")


def test_the_limits_are_held_against_it(rendered: Renderer) -> None:
    data = written(preview(), picture(FULL))
    rendered(data, "strip", "image/tiff", msgspec.structs.replace(LIMITS, max_width=64))
    with pytest.raises(ImageTooLarge):
        rendered(data, "strip", "image/tiff", msgspec.structs.replace(LIMITS, max_width=63))


@pytest.mark.parametrize("chain", [[preview(), picture(FULL)], [below(preview(), picture(FULL))]])
def test_the_image_must_exist(chain: list[Ifd], rendered: Renderer) -> None:
    """If the picture is truncated, the preview does not replace it."""
    data = written(*chain)
    rendered(data, "strip", "image/tiff")
    for length in range(8, len(data) - 8, 501):
        with pytest.raises(InvalidImage):
            rendered(data[:length], "strip", "image/tiff")


def test_where_all_are_small_the_first_is_shown(rendered: Renderer) -> None:
    assert rendered(written(preview(), preview()), "strip", "image/tiff")[0].width == SMALL[0]
    assert rendered(written(picture(MASK), preview()), "strip", "image/tiff")[0].width == SMALL[0]


@pytest.mark.parametrize(
    "mask", [picture(MASK), picture(REDUCED | MASK), picture(None, fields={262: (SHORT, (4,))}), Ifd({305: (ASCII, b"x\0")})]
)
def test_a_mask_is_never_shown(mask: Ifd, rendered: Renderer) -> None:
    with pytest.raises(InvalidImage, match="no picture"):
        rendered(written(mask, mask), "strip", "image/tiff")


@pytest.mark.parametrize("photometric", [32803, 34892])
def test_sensor_data_are_refused_by_name(photometric: int, rendered: Renderer) -> None:
    """A camera raw file is not shown as its preview."""
    raw = halves((1,), (2,), "u2", photometric, {254: (LONG, (FULL,))}, size=LARGE)
    for chain in ([below(preview(), raw)], [preview(), raw], [raw]):
        with pytest.raises(UnsupportedMediaType, match="raw"):
            rendered(written(*chain), "strip", "image/tiff")


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_upload_knows_no_size_where_the_first_is_not_it(form: dict[str, Any]) -> None:
    """No size is better than the preview's; the worker finds it."""

    def measured(*chain: Ifd) -> Measured:
        return measure(written(*chain, **form), "image/tiff", POLICY, whole=True)

    order = form.get("order", "<")
    assert measured(preview(order=order), picture(FULL, order=order)) == Measured()
    assert measured(picture(MASK, order=order), picture(FULL, order=order)) == Measured()
    assert measured(below(preview(order=order), picture(FULL, order=order))) == Measured()
    assert measured(picture(PAGE, order=order), preview(order=order)) == Measured(*LARGE, 1)


def directories(count: int, *, last: int = FULL, loop: bool = False) -> bytes:
    """Previews that share one pixel, then a last directory."""
    pages = [Ifd(dict(picture(REDUCED, (1, 1)).fields), strip=b"") for _ in range(count - 1)]
    data = bytearray(written(*pages, picture(last, (16, 8))))
    if loop:
        first = TiffFile(BytesIO(data))
        places = list(first.chain(most=count + 1))
        link = places[-1] + 2 + 12 * int.from_bytes(data[places[-1] : places[-1] + 2], "little")
        data[link : link + 4] = first.first.to_bytes(4, "little")
    return bytes(data)


class Counted(BytesIO):
    """A file that counts its reads."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)


def reads(data: bytes) -> int:
    file = Counted(data)
    main_directory(TiffFile(file))
    return file.reads


def test_the_search_is_linear_and_bounded() -> None:
    few, many = reads(directories(20)), reads(directories(200))
    assert 9 * few < many < 11 * few
    assert reads(directories(MAX_DIRECTORIES)) < 1.5 * many
    with pytest.raises(InvalidImage, match="too many previews"):
        reads(directories(MAX_DIRECTORIES + 1))
    assert reads(directories(200, last=REDUCED)) < 1.1 * many


def test_directories_that_lead_in_circles_are_read_once() -> None:
    file = Counted(directories(20, last=REDUCED, loop=True))
    tiff = TiffFile(file)
    assert main_directory(tiff) == tiff.first
    assert file.reads < 1.1 * reads(directories(20))
    with pytest.raises(InvalidImage, match="pages"):
        open_tiff(BytesIO(directories(20, loop=True)))


def test_sub_directories_are_counted_as_well() -> None:
    """Sub-directories that refer to themselves, to thousands, or to missing ones."""
    data = bytearray(written(below(preview(), preview())))
    tiff = TiffFile(BytesIO(data))
    place = tiff.directory(tiff.first).fields[330].at
    data[place : place + 4] = tiff.first.to_bytes(4, "little")
    few = 2 * reads(written(preview()))
    assert reads(bytes(data)) < few
    for number in (2**32 - 1, len(data) - 1):
        data[place : place + 4] = number.to_bytes(4, "little")
        with pytest.raises(OutOfReach):
            reads(bytes(data))
    greedy = preview(fields={330: (LONG, tuple(range(8, 8 + 4 * MAX_DIRECTORIES, 4)))})
    with pytest.raises(InvalidImage, match="too many previews"):
        reads(written(greedy))
    more = preview(fields={330: (LONG, tuple(range(5000)))})
    assert reads(written(more, picture(FULL))) < 2 * few


@pytest.mark.parametrize(("place", "kind"), [(float("inf"), DOUBLE), (float("nan"), DOUBLE), (8.0, DOUBLE), (-8, SLONG)])
def test_offsets_that_are_no_integers_are_ignored(place: float, kind: int, rendered: Renderer) -> None:
    """Neither here nor in the search for sensor data."""
    field: Fields = {330: (kind, (place,))}
    data = written(preview(fields=field), picture(FULL, fields=field))
    assert rendered(data, "strip", "image/tiff")[0].width == LARGE[0]
    assert raw_format(BytesIO(data)) is None


def test_a_copy_is_made_only_where_it_is_needed(tmp_path: Path, rendered: Renderer) -> None:
    for data, copied in ((written(picture(FULL), preview()), False), (written(preview(), picture(FULL)), True)):
        path = tmp_path / "file"
        path.write_bytes(data)
        source = TiffSource(path, "image/tiff", tmp_path, "copy")
        assert (source.path != path) == copied
        assert source.pixels.width == LARGE[0]

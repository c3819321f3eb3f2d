"""Animated PNG in results: animated and still formats, operations, and limits."""

import struct
import zlib
from pathlib import Path

import pytest
import pyvips
from msgspec.structs import replace

from internal.domain.errors import ImageTooLarge
from internal.ports.sandbox import Overlay
from tests import pictures
from tests.apngs import (
    BACKGROUND,
    HIGH,
    PREVIOUS,
    WIDE,
    Drawn,
    apng,
    colour,
    moving_png,
)
from tests.pictures import BLUE, GREEN, QUARTERS, RED, WHITE, png_chunk
from tests.unit.pipeline.conftest import LIMITS, JobRenderer, Renderer


@pytest.mark.parametrize("made", ["webp", "gif"])
def test_formats_with_animation_stay_animated(made: str, render_job: JobRenderer) -> None:
    done = render_job(
        moving_png(plays=3), f"format:{made}" + ("|lossless" if made == "webp" else ""), "image/png", want_facts=True
    )

    image = pyvips.Image.new_from_file(str(done.target), n=-1)
    assert done.rendered.result.frames == 4
    assert done.rendered.facts is not None
    assert done.rendered.facts.frames == 4
    assert (image.get("delay"), image.get("loop")) == ([50, 100, 150, 200], 3)
    for number, right in enumerate(QUARTERS):
        assert image.getpoint(9, 9 + HIGH * number)[:3] == pytest.approx(right, abs=1)


@pytest.mark.parametrize("chain", ["strip", "format:jpeg|quality:98", "format:avif|lossless", "resize:16x12", "format:auto"])
@pytest.mark.parametrize("apart", [False, True])
def test_a_still_is_the_static_picture(chain: str, apart: bool, render_job: JobRenderer, heif_input: None) -> None:
    data = moving_png(static=colour(BLUE) if apart else None)

    done = render_job(data, chain, "image/png", want_facts=True)

    image = pyvips.Image.new_from_file(str(done.target))
    right = BLUE if apart else RED
    assert (done.rendered.result.frames, image.get_typeof("n-pages")) == (1, 0) or image.get("n-pages") == 1
    assert image.getpoint(9, 9)[:3] == pytest.approx(right, abs=3)
    assert done.rendered.facts is not None
    assert done.rendered.facts.frames == 4
    assert bytes.fromhex(done.rendered.facts.dominant_colour[1:]) == bytes(right)


@pytest.mark.parametrize("chain", ["format:webp", "strip", "format:webp|resize:16x12", "format:gif"])
def test_facts_are_of_the_static_picture_also_when_it_is_apart(chain: str, render_job: JobRenderer) -> None:
    facts = render_job(moving_png(static=colour(BLUE)), chain, "image/png", want_facts=True).rendered.facts

    assert facts is not None
    assert bytes.fromhex(facts.dominant_colour[1:]) == bytes(BLUE)


@pytest.mark.parametrize("static", [None, colour(BLUE)])
def test_one_frame_is_a_still(static: pyvips.Image | None, render_job: JobRenderer) -> None:
    done = render_job(apng([Drawn(colour(RED))], static=static), "format:webp|lossless", "image/png", want_facts=True)

    assert done.rendered.result.frames == 1
    assert done.rendered.facts is not None
    assert done.rendered.facts.frames == 1
    assert pyvips.Image.new_from_file(str(done.target)).getpoint(9, 9) == list(BLUE if static else RED)


@pytest.mark.parametrize(("made", "longest"), [("webp", 2**24 - 1), ("gif", 655_350)])
def test_delays_and_plays_are_clipped_to_the_format(made: str, longest: int, rendered: Renderer) -> None:
    """libvips 8.18.7 refuses 2**24 ms for WebP, writes 700 s to GIF as 44.64 s, and 65,536 plays to WebP as endless."""
    data = apng([Drawn(colour(RED), delay=(65535, 1)), Drawn(colour(BLUE))], plays=2**31 - 1)

    _, path = rendered(data, f"format:{made}", "image/png")

    image = pyvips.Image.new_from_file(str(path), n=-1)
    assert (image.get("delay"), image.get("loop")) == ([longest, 100], 65535)


def test_limits_count_all_frames(rendered: Renderer) -> None:
    data = moving_png()
    for limits in (replace(LIMITS, max_frames=3), replace(LIMITS, max_pixels=WIDE * HIGH * 4 - 1)):
        with pytest.raises(ImageTooLarge):
            rendered(data, "format:webp", "image/png", limits)
    limits = replace(LIMITS, max_frames=4, max_pixels=WIDE * HIGH * 4)
    assert rendered(data, "format:webp", "image/png", limits)[0].frames == 4


def test_small_frames_count_as_large_as_the_canvas(tmp_path: Path, rendered: Renderer) -> None:
    frames = [Drawn(colour(RED, 200, 200)), *[Drawn(colour(BLUE, 1, 1))] * 99]

    with pytest.raises(ImageTooLarge, match="4000000 pixels"):
        rendered(apng(frames), "format:webp", "image/png", replace(LIMITS, max_pixels=3_999_999))


@pytest.mark.parametrize(
    ("chain", "blue", "red"),
    [
        ("resize:16x12|format:webp|lossless", (4, 3), (12, 9)),
        ("crop:20x16+4+0|format:webp|lossless", (5, 5), (15, 14)),
        ("rotate:90|format:gif", (20, 8), (4, 24)),
    ],
)
def test_operations_work_on_whole_canvases(chain: str, blue: tuple[int, int], red: tuple[int, int], rendered: Renderer) -> None:
    """The whole canvas is scaled, cropped or rotated, not a frame that covers a part of it."""
    frames = [Drawn(colour(RED)), Drawn(colour(BLUE, WIDE // 2, HIGH // 2))]

    _, path = rendered(apng(frames), chain, "image/png")

    image = pyvips.Image.new_from_file(str(path), n=-1)
    second = image.crop(0, image.height // 2, image.width, image.height // 2)
    assert second.getpoint(*blue)[:3] == pytest.approx(BLUE, abs=1)
    assert second.getpoint(*red)[:3] == pytest.approx(RED, abs=1)


def test_the_colour_of_what_is_clear_does_not_bleed_when_frames_are_scaled(rendered: Renderer) -> None:
    """The right half is red and transparent."""
    half = colour((*BLUE, 255)).insert(colour((*RED, 0), WIDE // 2), WIDE // 2, 0)

    other = colour((*GREEN, 255))

    _, path = rendered(apng([Drawn(half), Drawn(other)]), "resize:15x12,fit=fill|format:webp|lossless", "image/png")

    image = pyvips.Image.new_from_file(str(path), n=-1)
    assert image.getpoint(7, 5)[3] == pytest.approx(128, abs=40)
    assert all(image.getpoint(x, 5)[0] < 40 for x in range(15) if image.getpoint(x, 5)[3] > 20)


@pytest.mark.parametrize(
    ("frames", "clear"),
    [
        ([Drawn(colour(RED)), Drawn(colour(BLUE, 4, 4), dispose=BACKGROUND)], False),
        ([Drawn(colour(RED), dispose=BACKGROUND), Drawn(colour(BLUE, 4, 4))], True),
        ([Drawn(colour(RED), dispose=PREVIOUS), Drawn(colour(BLUE, 4, 4))], True),
        ([Drawn(colour(RED)), Drawn(colour(BLUE, 4, 4), dispose=PREVIOUS), Drawn(colour(BLUE, 2, 2))], False),
    ],
    ids=["cleared at the end", "cleared", "nothing before it", "restored"],
)
def test_opaque_frames_are_transparent_where_they_leave_the_canvas_bare(
    frames: list[Drawn], clear: bool, render_job: JobRenderer
) -> None:
    done = render_job(apng(frames), "format:webp|lossless", "image/png", want_facts=True)

    image = pyvips.Image.new_from_file(str(done.target), n=-1)
    assert done.rendered.facts is not None
    assert done.rendered.facts.has_alpha == clear
    assert image[3].crop(0, HIGH, WIDE, HIGH).min() == (0 if clear else 255)


def _icc() -> bytes:
    wide = pictures.scene().icc_transform("p3", input_profile="srgb")
    return png_chunk(b"iCCP", b"p3\0\0" + zlib.compress(bytes(wide.get("icc-profile-data"))))


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("keep", ["", "|keep:icc"])
@pytest.mark.parametrize(
    ("extra", "right"),
    [
        (_icc(), (216, 69, 50)),
        (png_chunk(b"cICP", bytes([12, 13, 0, 1])), (216, 69, 50)),
        (png_chunk(b"gAMA", struct.pack(">I", 100_000)), (229, 152, 133)),
        (png_chunk(b"cICP", bytes([9, 16, 0, 1])), (255, 0, 0)),
    ],
    ids=["profile", "cICP", "gamma", "PQ"],
)
def test_the_colours_of_a_file_are_those_of_all_its_frames(
    extra: bytes, right: tuple[int, ...], keep: str, deep: bool, rendered: Renderer
) -> None:
    shade = colour((200, 80, 60))
    shade = (shade * 257).cast("ushort").copy(interpretation="rgb16") if deep else shade
    data = apng([Drawn(shade), Drawn(shade), Drawn(shade)], extra=extra, **({"bitdepth": 16} if deep else {}))

    _, path = rendered(data, f"format:webp|lossless{keep}", "image/png")

    image = pyvips.Image.new_from_file(str(path), n=-1)
    assert bool(image.get_typeof("icc-profile-data")) == (bool(keep) and right[0] != 255)
    seen = image.icc_transform("srgb", embedded=True, depth=8) if keep and right[0] != 255 else image
    for number in range(image.height // HIGH):
        assert seen.getpoint(9, 9 + number * HIGH)[:3] == pytest.approx(right, abs=2)


def test_frames_that_lie_on_their_side_are_upright(rendered: Renderer) -> None:
    data = apng([Drawn(pictures.scene(WIDE, HIGH)), Drawn(colour(BLUE, 4, 4))], extra=png_chunk(b"eXIf", pictures.exif(6)))

    _, path = rendered(data, "format:webp|lossless", "image/png")

    image = pyvips.Image.new_from_file(str(path), n=-1)
    assert (image.width, image.height) == (HIGH, 2 * WIDE)
    assert image.getpoint(22, 1)[:3] == list(RED)
    assert image.getpoint(22, WIDE + 1)[:3] == list(BLUE)


def test_an_animation_laid_over_another_picture_is_its_static_picture(render_job: JobRenderer, tmp_path: Path) -> None:
    mark, name = tmp_path / "mark", "0198b2c4-8d1e-7a53-9f60-2b7c1d4e5f60"
    mark.write_bytes(moving_png(static=colour(WHITE)))
    chain = f"watermark:{name},scale=0.5,gravity=northwest,margin=0"

    done = render_job(pictures.png(), chain, "image/png", overlays={name: Overlay(mark, "image/png")})

    assert pyvips.Image.new_from_file(str(done.target)).getpoint(9, 9)[:3] == list(WHITE)

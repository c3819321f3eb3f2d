"""Encoding: AVIF, the two files of `format:auto`, and the quality options."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import pyvips

from internal.domain.errors import OutputTooLarge
from internal.pipeline.vips.encode import fit_to_bytes
from tests import pictures
from tests.unit.pipeline.conftest import LIMITS, JobRenderer, Renderer

PHOTO = pictures.photo_jpeg(320, 240)
pytestmark = pytest.mark.usefixtures("heif_input")  # to inspect results


def _moving(saver: str) -> bytes:
    """Six frames that are large enough for a modern format to be smaller."""
    roll = pictures.photo(64, 48 * 6).copy()
    roll.set_type(pyvips.GValue.gint_type, "page-height", 48)
    return bytes(getattr(roll, f"{saver}save_buffer")())


def _read(path: Path, **options: object) -> pyvips.Image:
    return pyvips.Image.new_from_buffer(path.read_bytes(), "", **options).copy_memory()


def _farthest(one: pyvips.Image, other: pyvips.Image) -> float:
    return float((one.cast("float") - other.cast("float")).abs().max())


@pytest.mark.parametrize(
    ("data", "media_type", "bands"),
    [
        (PHOTO, "image/jpeg", 3),
        (pictures.grey_jpeg(), "image/jpeg", 3),
        (pictures.alpha_png(), "image/png", 4),
        (pictures.deep_png(), "image/png", 3),
        (pictures.cmyk_jpeg(), "image/jpeg", 3),
        (pictures.tiff(), "image/tiff", 3),
        (bytes(pictures.scene(2, 5).crop(0, 0, 1, 5).pngsave_buffer()), "image/png", 3),
    ],
    ids=["photo", "grey", "alpha", "16 bits", "cmyk", "tiff", "one pixel wide"],
)
def test_everything_becomes_avif(data: bytes, media_type: str, bands: int, rendered: Renderer) -> None:
    facts, path = rendered(data, "format:avif", media_type)

    image = _read(path)
    assert (facts.content_type, image.get("heif-compression"), image.get("bits-per-sample")) == ("image/avif", "av1", 8)
    assert (image.width, image.height, image.bands, image.format) == (facts.width, facts.height, bands, "uchar")


def test_an_animation_becomes_the_avif_of_its_first_frame(rendered: Renderer) -> None:
    facts, path = rendered(pictures.animated_gif(4), "format:avif", "image/gif")

    assert facts.frames == 1
    assert max(abs(a - b) for a, b in zip(_read(path).getpoint(9, 9), pictures.RED, strict=False)) < 12


@pytest.mark.parametrize("make", ["webp", "avif"])
def test_the_usual_quality_is_about_that_of_jpeg(make: str, rendered: Renderer) -> None:
    photo = pictures.photo(200, 200)
    distances = {
        name: photo.colourspace("lab").dE00(
            _read(rendered(photo.pngsave_buffer(), f"format:{name}", "image/png")[1]).colourspace("lab")
        )
        for name in ("jpeg", make)
    }

    assert distances[make].avg() == pytest.approx(distances["jpeg"].avg(), rel=0.25)


@pytest.mark.parametrize("made_as", ["webp", "avif"])
def test_quality_is_the_size_of_the_file(made_as: str, rendered: Renderer) -> None:
    sizes = [rendered(PHOTO, f"quality:{quality}|format:{made_as}")[0].size for quality in (20, 60, 95)]

    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3


@pytest.mark.parametrize("make", [pictures.photo, lambda w, h: pictures.photo(w, h).bandjoin(pictures.photo(w, h)[1])])
@pytest.mark.parametrize("made_as", ["png", "webp", "avif"])
def test_lossless_keeps_every_pixel(made_as: str, make: Callable[[int, int], pyvips.Image], rendered: Renderer) -> None:
    original = make(63, 47)

    _, path = rendered(original.pngsave_buffer(), f"lossless|quality:5|format:{made_as}", "image/png")

    assert _farthest(_read(path), original) == 0


@pytest.mark.parametrize(("made_as", "sign"), [("jpeg", b"\xff\xc2"), ("png", b"IHDR\0\0\1\x40\0\0\0\xf0\x08\x02\0\0\1")])
def test_progressive_is_off_unless_asked_for(made_as: str, sign: bytes, rendered: Renderer) -> None:
    plain = rendered(PHOTO, f"format:{made_as}")[1].read_bytes()
    progressive = rendered(PHOTO, f"progressive|format:{made_as}")[1].read_bytes()

    assert sign not in plain
    assert sign in progressive


def test_progressive_means_nothing_to_other_formats(rendered: Renderer) -> None:
    for made_as in ("webp", "gif"):
        plain, asked = (rendered(PHOTO, f"{option}|format:{made_as}")[1].read_bytes() for option in ("strip", "progressive"))
        assert plain == asked


@pytest.mark.parametrize("made_as", ["jpeg", "webp", "avif"])
@pytest.mark.parametrize("share", [0.9, 0.5])
def test_max_bytes_is_the_best_quality_that_fits(made_as: str, share: float, rendered: Renderer) -> None:
    most = int(rendered(PHOTO, f"format:{made_as}")[0].size * share)

    facts, path = rendered(PHOTO, f"max_bytes:{most}|format:{made_as}")

    assert most * 0.6 < facts.size == path.stat().st_size <= most
    assert _read(path).width == 320


def test_max_bytes_takes_nothing_from_what_is_small_enough(rendered: Renderer) -> None:
    usual = rendered(PHOTO, "quality:90")[1].read_bytes()

    assert rendered(PHOTO, f"quality:90|max_bytes:{len(usual)}")[1].read_bytes() == usual


@pytest.mark.parametrize(
    ("chain", "says"),
    [
        ("max_bytes:300", "at the lowest quality"),
        ("max_bytes:20000|format:png", "no quality to lower"),
        ("max_bytes:5000|format:gif", "no quality to lower"),
        ("max_bytes:20000|format:webp|lossless", "no quality to lower"),
    ],
)
def test_max_bytes_that_cannot_be_reached_is_an_error(chain: str, says: str, rendered: Renderer) -> None:
    with pytest.raises(OutputTooLarge, match=says):
        rendered(PHOTO, chain)


@pytest.mark.parametrize("highest", [1, 2, 37, 80, 100])
def test_the_search_finds_the_best_quality_in_eight_tries(highest: int) -> None:
    for most in range(1, highest + 1):
        tried: list[int | None] = []

        def encoded(quality: int | None, tried: list[int | None] = tried) -> bytes:
            tried.append(quality)
            return bytes(quality or 0)

        assert len(fit_to_bytes(encoded, highest, most)) == most
        assert len(tried) <= 8


def test_auto_makes_a_modern_file_beside_the_fallback(render_job: JobRenderer) -> None:
    for modern in ("webp", "avif"):
        done = render_job(PHOTO, f"resize:200x200|format:auto,modern={modern}", "image/jpeg")

        first, second = done.rendered.result, done.rendered.alternative
        assert second is not None
        assert (first.content_type, second.content_type) == ("image/jpeg", f"image/{modern}")
        assert (second.width, second.height, second.size) == (first.width, first.height, done.alternative.stat().st_size)
        assert second.size < first.size == done.target.stat().st_size
        difference = _read(done.target).colourspace("lab").dE00(_read(done.alternative).colourspace("lab"))
        assert difference.avg() < 4


def test_a_quality_means_the_same_for_both_files_of_auto(render_job: JobRenderer) -> None:
    """AVIF has another scale: its default of 55 looks like a JPEG of 80."""
    usual = render_job(PHOTO, "format:auto,modern=avif").rendered.alternative

    assert usual == render_job(PHOTO, "quality:80|format:auto,modern=avif").rendered.alternative
    assert usual != render_job(PHOTO, "quality:60|format:auto,modern=avif").rendered.alternative


@pytest.mark.parametrize(
    ("data", "media_type", "chain", "made_as"),
    [
        (pictures.alpha_tiff(320, 240), "image/tiff", "format:auto", ("image/png", "image/webp")),
        (pictures.webp(320, 240), "image/webp", "format:auto", ("image/webp", None)),
        (pictures.photo(320, 240).webpsave_buffer(Q=100), "image/webp", "format:auto,modern=avif", ("image/webp", "image/avif")),
        (_moving("gif"), "image/gif", "resize:60x60|format:auto", ("image/gif", "image/webp")),
        (_moving("gif"), "image/gif", "resize:60x60|format:auto,modern=avif", ("image/gif", "image/webp")),
        (_moving("webp"), "image/webp", "format:auto,modern=avif", ("image/webp", None)),
    ],
)
def test_the_files_of_auto_for_each_input(
    data: bytes, media_type: str, chain: str, made_as: tuple[str, str | None], render_job: JobRenderer
) -> None:
    done = render_job(data, chain, media_type)

    second = done.rendered.alternative
    assert (done.rendered.result.content_type, second.content_type if second else None) == made_as
    assert done.alternative.exists() == (second is not None)
    assert second is None or second.frames == done.rendered.result.frames


@pytest.mark.parametrize(
    ("data", "media_type", "chain"),
    [
        (pictures.png(4, 4), "image/png", "format:auto,modern=avif"),
        (pictures.png(64, 4), "image/png", "resize:20000x4,fit=fill,enlarge=true|format:auto"),
    ],
    ids=["larger because small", "too wide for it"],
)
def test_an_alternative_that_gains_nothing_is_not_made(data: bytes, media_type: str, chain: str, render_job: JobRenderer) -> None:
    done = render_job(data, chain, media_type)

    assert done.rendered.alternative is None
    assert not done.alternative.exists()
    assert done.target.exists()


def test_max_bytes_holds_for_both_files(render_job: JobRenderer) -> None:
    done = render_job(PHOTO, "max_bytes:4000|format:auto", "image/jpeg")

    assert done.rendered.alternative is None or done.rendered.alternative.size <= 4000
    assert done.rendered.result.size <= 4000


def test_there_is_one_file_unless_a_place_for_another_is_given(render_job: JobRenderer) -> None:
    done = render_job(PHOTO, "format:auto", "image/jpeg", alternative=None)

    assert done.rendered.alternative is None
    assert render_job(PHOTO, "format:jpeg", "image/jpeg").alternative.exists() is False


def test_the_limits_hold_for_both_files(render_job: JobRenderer) -> None:
    with pytest.raises(OutputTooLarge):
        render_job(PHOTO, "format:auto", "image/jpeg", limits=msgspec.structs.replace(LIMITS, max_output_bytes=500))

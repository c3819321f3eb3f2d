"""Results against formulas: pictures are computed, none is committed.

Distances are CIEDE2000 per pixel: 1 is just noticeable side by side, 5 is another colour.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import pyvips

from internal.pipeline.language.grammar import Grammar
from internal.pipeline.vips.render import render
from internal.ports.sandbox import RenderJob, RenderLimits
from tests import pictures

LIMITS = RenderLimits(
    max_width=9999, max_height=9999, max_pixels=10**8, max_frames=99, max_output_pixels=10**8, max_output_bytes=10**8
)


def landscape(width: int, height: int) -> pyvips.Image:
    """A smooth picture in both directions and in colour, the same at any size."""
    ramp = pyvips.Image.xyz(width, height)
    x, y = (ramp[0] + 0.5) / width, (ramp[1] + 0.5) / height
    bands = [(x * 360).sin() * 100 + 128, (y * 540).cos() * 90 + 128, ((x + y) * 270).sin() * 80 + 120]
    return bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb")


@pytest.fixture
def made(tmp_path: Path) -> Callable[[bytes, str, str], pyvips.Image]:
    def run(data: bytes, chain: str, media_type: str) -> pyvips.Image:
        source, target = tmp_path / "source", tmp_path / "target"
        source.write_bytes(data)
        render(RenderJob(source, target, chain, media_type, LIMITS), Grammar().parse(chain), tmp_path)
        return pyvips.Image.new_from_file(str(target)).copy_memory()

    return run


def distance(one: pyvips.Image, other: pyvips.Image) -> tuple[float, float]:
    """Mean and largest difference of two pictures of one size."""
    assert (one.width, one.height) == (other.width, other.height)
    difference = one.colourspace("lab").dE00(other.colourspace("lab"))
    return difference.avg(), difference.max()


def encoded(image: pyvips.Image, media_type: str) -> bytes:
    suffix = {"image/jpeg": ".jpg[Q=97]", "image/png": ".png", "image/webp": ".webp[lossless]", "image/tiff": ".tif"}[media_type]
    return bytes(image.write_to_buffer(suffix))


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/webp", "image/tiff"])
@pytest.mark.parametrize("size", [(1500, 1000), (750, 500), (500, 333), (300, 200), (187, 125), (90, 60)])
def test_a_smaller_picture_is_the_same_picture(
    size: tuple[int, int], media_type: str, made: Callable[[bytes, str, str], pyvips.Image]
) -> None:
    """Also at ratios where the JPEG loader drops 3 of 4 and 7 of 8 pixels in each direction."""
    result = made(encoded(landscape(1500, 1000), media_type), f"resize:{size[0]}x{size[1]},fit=fill|format:png", media_type)

    mean, largest = distance(result, landscape(*size))
    assert mean < 0.8
    assert largest < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_looks_the_same(orientation: int, made: Callable[[bytes, str, str], pyvips.Image]) -> None:
    upright = made(pictures.exif_jpeg(1, 800, 600), "resize:200x150|format:png", "image/jpeg")
    turned = made(pictures.exif_jpeg(orientation, 800, 600), "resize:200x150|format:png", "image/jpeg")

    assert distance(turned, upright)[0] < 0.3


@pytest.mark.parametrize(
    ("chain", "formula"),
    [
        ("flip", lambda image: image.flipver()),
        ("flop", lambda image: image.fliphor()),
        ("rotate:90", lambda image: image.rot90()),
        ("crop:100x80+33+44", lambda image: image.crop(33, 44, 100, 80)),
        ("grayscale", lambda image: (image.colourspace("lab") * [1, 0, 0]).copy(interpretation="lab").colourspace("srgb")),
        ("blur:0.5", lambda image: image),
        ("sharpen", lambda image: image),
    ],
)
def test_an_operation_does_what_its_formula_says(
    chain: str, formula: Callable[[pyvips.Image], pyvips.Image], made: Callable[[bytes, str, str], pyvips.Image]
) -> None:
    original = landscape(300, 200)

    mean, largest = distance(made(encoded(original, "image/png"), chain, "image/png"), formula(original))

    assert mean < 1
    assert largest < 5


def test_a_blur_spreads_a_point_as_a_gaussian(made: Callable[[bytes, str, str], pyvips.Image]) -> None:
    point = pyvips.Image.black(101, 101, bands=3).copy(interpretation="srgb").draw_rect([255] * 3, 40, 0, 21, 101, fill=True)

    result = made(bytes(point.pngsave_buffer()), "blur:6", "image/png")

    for x in range(20, 81, 5):
        expected = 255 * (_normal((60.5 - x) / 6) - _normal((39.5 - x) / 6))
        assert result.getpoint(x, 50)[0] == pytest.approx(expected, abs=4)


def _normal(z: float) -> float:
    from math import erf, sqrt

    return (1 + erf(z / sqrt(2))) / 2


@pytest.mark.parametrize("made_as", ["jpeg", "webp"])
def test_encoding_at_the_usual_quality_is_hardly_noticeable(
    made_as: str, made: Callable[[bytes, str, str], pyvips.Image]
) -> None:
    original = landscape(600, 400)

    assert distance(made(encoded(original, "image/png"), f"format:{made_as}", "image/png"), original)[0] < 1.5


def test_alpha_survives_a_resize(made: Callable[[bytes, str, str], pyvips.Image]) -> None:
    faded = landscape(800, 600).bandjoin(pyvips.Image.xyz(800, 600)[0].linear(255 / 799, 0).cast("uchar"))

    result = made(bytes(faded.pngsave_buffer()), "resize:200x150", "image/png")

    assert result[3].getpoint(100, 75)[0] == pytest.approx(128, abs=2)
    assert distance(result[:3].crop(50, 0, 150, 150), landscape(200, 150).crop(50, 0, 150, 150))[0] < 0.8


@pytest.mark.parametrize("chain", ["format:png", "resize:300x200|format:png"])
def test_a_profile_is_followed_into_srgb(chain: str, made: Callable[[bytes, str, str], pyvips.Image]) -> None:
    muted = (landscape(600, 400) * 0.5 + 60).cast("uchar").copy(interpretation="srgb")
    wide = muted.icc_transform("p3", input_profile="srgb").jpegsave_buffer(Q=97, profile="p3")

    result = made(bytes(wide), chain, "image/jpeg")

    assert distance(result, muted.resize(result.width / 600))[0] < 0.8


@pytest.mark.parametrize("sigma", [0.5, 0.9, 1, 2.1, 3, 5, 9])
def test_a_blur_keeps_the_brightness(sigma: float, made: Callable[[bytes, str, str], pyvips.Image]) -> None:
    plain = pyvips.Image.black(100, 100, bands=3).linear(0, [64, 128, 250]).cast("uchar").copy(interpretation="srgb")

    assert made(encoded(plain, "image/png"), f"blur:{sigma}", "image/png").getpoint(50, 50) == [64, 128, 250]

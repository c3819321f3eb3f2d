"""`keep:icc`: pictures that stay in their own profile, and correct colours for all others."""

from collections.abc import Callable
from pathlib import Path

import pytest
import pyvips

from tests import pictures
from tests.profiles import grey_profile
from tests.unit.pipeline.conftest import Renderer

pytestmark = pytest.mark.usefixtures("heif_input")  # to inspect results


def _profile(path: Path) -> bytes | None:
    image = pyvips.Image.new_from_file(str(path))
    return bytes(image.get("icc-profile-data")) if image.get_typeof("icc-profile-data") else None


def _wide(make: str = "jpeg") -> tuple[bytes, bytes]:
    """A picture in Display P3, and its profile."""
    wide = pictures.scene().icc_transform("p3", input_profile="srgb")
    return bytes(getattr(wide, f"{make}save_buffer")()), bytes(wide.get("icc-profile-data"))


@pytest.mark.parametrize("made", ["jpeg", "png", "webp", "avif"])
@pytest.mark.parametrize("given", ["jpeg", "png", "webp", "tiff", "avif"])
def test_keep_icc_leaves_the_pixels_in_their_own_colours(given: str, made: str, rendered: Renderer) -> None:
    wide, profile = _wide("png")
    if given != "png":
        suffix = {"jpeg": ".jpg[Q=100]", "webp": ".webp[lossless]", "tiff": ".tif", "avif": ".avif[lossless]"}[given]
        wide = bytes(pyvips.Image.new_from_buffer(wide, "").write_to_buffer(suffix))

    _, path = rendered(wide, f"resize:32x32|keep:icc|quality:95|format:{made}", f"image/{given}")

    image = pyvips.Image.new_from_file(str(path))
    stored = pyvips.Image.new_from_buffer(wide, "")
    assert image.get("icc-profile-data") == profile
    assert max(abs(a - b) for a, b in zip(image.getpoint(6, 6), stored.getpoint(12, 12), strict=True)) < 6
    assert max(abs(a - b) for a, b in zip(image.icc_transform("srgb").getpoint(6, 6), pictures.RED, strict=True)) < 8


@pytest.mark.parametrize(
    ("make", "chain"),
    [
        (lambda: _wide()[0], "keep:icc|format:gif"),
        (lambda: _wide()[0], "strip"),
        (lambda: bytes(pictures.scene().icc_transform("cmyk", input_profile="srgb").jpegsave_buffer(Q=95)), "keep:icc"),
        (lambda: pictures.with_profile(pictures.jpeg(), _broken(_wide()[1])), "keep:icc"),
        (lambda: pictures.with_profile(pictures.jpeg(), b"no profile at all" * 20), "keep:icc"),
        (lambda: pictures.with_profile(pictures.jpeg(), grey_profile()), "keep:icc|format:webp"),
    ],
    ids=["gif holds none", "not asked for", "cmyk", "broken", "junk", "of another kind"],
)
def test_where_no_profile_can_be_kept_the_colours_are_srgb(make: Callable[[], bytes], chain: str, rendered: Renderer) -> None:
    data = make()
    image_is_print = pyvips.Image.new_from_buffer(data, "").interpretation == "cmyk"  # which does not contain this red

    _, path = rendered(data, chain)

    image = pyvips.Image.new_from_file(str(path))
    assert "icc-profile-data" not in image.get_fields()
    assert max(abs(a - b) for a, b in zip(image.getpoint(6, 6), pictures.RED, strict=False)) < (45 if image_is_print else 12)


@pytest.mark.parametrize("made", ["jpeg", "png", "webp", "avif"])
def test_a_profile_goes_when_the_chain_makes_other_channels(made: str, rendered: Renderer) -> None:
    assert _profile(rendered(_wide()[0], f"grayscale|keep:icc|format:{made}")[1]) is None


@pytest.mark.parametrize(
    "chain", ["pad:64x80,background=c85028", "round:20,background=c85028", "resize:64x80,fit=contain,background=c85028"]
)
def test_a_colour_that_is_named_is_that_colour_beside_a_kept_profile(chain: str, rendered: Renderer) -> None:
    """The expected colours are the visible ones; the raw values would look different."""
    _, path = rendered(_wide("png")[0], f"{chain}|keep:icc", "image/png")

    image = pyvips.Image.new_from_file(str(path))
    assert image.icc_transform("srgb", input_profile="srgb").getpoint(0, 0) == pytest.approx([0xC8, 0x50, 0x28], abs=1)
    middle = image.icc_transform("srgb", input_profile="srgb").getpoint(24, image.height // 2 - 8)
    assert middle == pytest.approx(pictures.RED, abs=8)


@pytest.mark.parametrize("made", ["jpeg", "png", "webp", "avif|lossless"])
def test_a_grey_that_can_not_keep_its_profile_is_the_same_grey(made: str, rendered: Renderer) -> None:
    plain = pyvips.Image.black(32, 32).linear(1, 128).cast("uchar").copy(interpretation="b-w")

    _, path = rendered(_with_profile(plain, grey_profile(1.8)), f"keep:icc|format:{made}")

    image = pyvips.Image.new_from_file(str(path))
    kept = image.get_typeof("icc-profile-data") != 0
    assert kept == (made in ("jpeg", "png"))
    assert image.getpoint(9, 9)[0] == pytest.approx(128 if kept else 146, abs=2)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_grey_profile_is_followed_in_the_dark_too(bits: int, rendered: Renderer) -> None:
    """3 of 255 in linear light is 28 in sRGB; libvips 8.18.7 returns 19."""
    value = 3 if bits == 8 else 3 * 257
    dark = pyvips.Image.black(32, 32).linear(0, value).cast("uchar" if bits == 8 else "ushort")
    dark = dark.copy(interpretation="b-w" if bits == 8 else "grey16")

    for image in (dark, dark.bandjoin(100 if bits == 8 else 100 * 257)):
        _, path = rendered(_with_profile(image, grey_profile(1.0), "png"), "format:png", "image/png")
        assert pyvips.Image.new_from_file(str(path)).getpoint(9, 9) == pytest.approx([28, 100][: image.bands], abs=1)


def test_a_grey_profile_is_kept_for_grey(rendered: Renderer) -> None:
    grey = _with_profile(pictures.scene().colourspace("b-w"), grey_profile())

    _, path = rendered(grey, "keep:icc")

    assert _profile(path) == grey_profile()


def test_sixteen_bits_and_a_profile_become_eight_and_the_profile(rendered: Renderer) -> None:
    deep = _with_profile(pictures.scene().colourspace("rgb16"), _wide()[1], "png")

    _, path = rendered(deep, "keep:icc", "image/png")

    image = pyvips.Image.new_from_file(str(path))
    assert (image.format, "icc-profile-data" in image.get_fields()) == ("uchar", True)
    assert max(abs(a - b) for a, b in zip(image.getpoint(6, 6), pictures.RED, strict=True)) < 2


def _broken(profile: bytes) -> bytes:
    """The profile header is intact, the rest is not."""
    return profile[:200] + b"\xff" * (len(profile) - 200)


def _with_profile(image: pyvips.Image, profile: bytes, saver: str = "jpeg") -> bytes:
    noted = image.copy()
    noted.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return bytes(getattr(noted, f"{saver}save_buffer")(**({"Q": 100} if saver == "jpeg" else {})))

"""Extra channels: spot inks and saved selections are neither shown nor used as transparency; only alpha is."""

from collections.abc import Iterator
from typing import Any

import pytest
import pyvips

from internal.pipeline.vips.profiles import PROFILE
from tests import pictures
from tests.tiff_pictures import CMYK, GREY, LZW, RGB, extra, near, tiff
from tests.tiffs import UNDEFINED, Fields
from tests.unit.pipeline.conftest import JobRenderer, Renderer, ShownColours

RED, BLUE, WHITE, BLACK = [200, 40, 40], [40, 90, 200], [255] * 3, [40, 35, 43]
"""BLACK is full black ink by the CMYK profile of libvips 8.18.7."""
LAYOUTS: tuple[dict[str, Any], ...] = (
    {},
    {"tile": 16, "order": ">", "compression": LZW, "big": True},
    {"planes": True, "order": ">"},
    {"planes": True, "tile": 16},
)
CHAINS = ("format:png", "resize:16x8", "resize:16x16,fit=cover|format:jpeg|quality:100", "blur:0.5", "format:webp|lossless")
NO_ALPHA: Fields = {}


def of(kind: str, *values: int) -> list[int]:
    """8 bit values converted to `kind`."""
    return [value * 257 if kind == "u2" else value for value in values]


def spotted() -> Iterator[Any]:
    """Colours, then extra channels, which must not change anything."""
    for kind in ("u1", "u2"):
        for spot in (0, 128, 255):
            yield pytest.param(kind, RGB, RED, BLUE, (spot,), extra(0), id=f"{kind} RGB and a selection at {spot}")
            yield pytest.param(kind, GREY, [64], [192], (spot,), extra(0), id=f"{kind} grey and a selection at {spot}")
            yield pytest.param(kind, CMYK, [0] * 4, [0, 0, 0, 255], (spot,), extra(0), id=f"{kind} CMYK and an ink at {spot}")
        yield pytest.param(kind, CMYK, [0] * 4, [0, 0, 0, 255], (9, 128), extra(0, 0), id=f"{kind} CMYK and two inks")
        yield pytest.param(kind, RGB, RED, BLUE, (7,), NO_ALPHA, id=f"{kind} RGB and one of which nothing is said")
        yield pytest.param(
            kind, RGB, RED, BLUE, (7, 99, 1, 3), extra(0), id=f"{kind} RGB and four, of one of which something is said"
        )


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize(("kind", "photometric", "left", "right", "spots", "fields"), list(spotted()))
def test_extra_channels_are_not_transparency(
    kind: str,
    photometric: int,
    left: list[int],
    right: list[int],
    spots: tuple[int, ...],
    fields: Fields,
    layout: dict[str, Any],
    shown: ShownColours,
) -> None:
    """libvips 8.18.7 takes the first extra channel for alpha, whatever ExtraSamples says."""
    data = tiff(of(kind, *left, *spots), of(kind, *right, *spots), kind, photometric, fields, **layout)
    colours = [WHITE, BLACK] if photometric == CMYK else [left, right]
    for chain in CHAINS if not layout else CHAINS[:2]:
        right_ones = [colour * 3 if "webp" in chain and photometric == GREY else colour for colour in colours]
        assert near(shown(data, chain), right_ones, 6 if "jpeg" in chain else 1), chain


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize(
    ("photometric", "left", "right", "fields", "seen"),
    [
        (RGB, [*RED, 255], [*BLUE, 128], extra(2), [[*RED, 255], [*BLUE, 128]]),
        (RGB, [*RED, 255, 7], [*BLUE, 128, 7], extra(2, 0), [[*RED, 255], [*BLUE, 128]]),
        (RGB, [*RED, 7, 255], [*BLUE, 7, 128], extra(0, 2), [[*RED, 255], [*BLUE, 128]]),
        (RGB, [100, 20, 20, 128], [*BLUE, 255], extra(1), [[199, 40, 40, 128], [*BLUE, 255]]),
        (RGB, [7, 7, 7, 0], [100, 20, 20, 128], extra(1), [[0, 0, 0, 0], [199, 40, 40, 128]]),
        (RGB, [100, 20, 20, 9, 128], [*BLUE, 9, 255], extra(0, 1), [[199, 40, 40, 128], [*BLUE, 255]]),
        (RGB, [100, 20, 20, 9, 128], [*BLUE, 9, 255], extra(2, 1), [[199, 40, 40, 128], [*BLUE, 255]]),
        (GREY, [64, 255, 7], [192, 128, 9], extra(2, 0), [[64, 255], [192, 128]]),
        (GREY, [50, 128], [192, 255], extra(1), [[99.6, 128], [192, 255]]),
        (CMYK, [0, 0, 0, 255, 128], [0, 0, 0, 0, 255], extra(2), [[*BLACK, 128], [*WHITE, 255]]),
        (CMYK, [0, 0, 0, 255, 9, 128], [0, 0, 0, 0, 9, 255], extra(0, 2), [[*BLACK, 128], [*WHITE, 255]]),
        (CMYK, [0, 0, 0, 128, 128], [0, 0, 0, 0, 255], extra(1), [[*BLACK, 128], [*WHITE, 255]]),
    ],
)
def test_alpha(
    photometric: int,
    left: list[int],
    right: list[int],
    fields: Fields,
    seen: list[list[float]],
    kind: str,
    layout: dict[str, Any],
    shown: ShownColours,
) -> None:
    """Premultiplied (associated) colours are divided by alpha."""
    data = tiff(of(kind, *left), of(kind, *right), kind, photometric, fields, **layout)
    assert near(shown(data), seen)
    smaller = shown(data, "resize:16x8")
    for (*colours, alpha), (*right_ones, whole) in zip(smaller, seen, strict=True):
        assert near(
            [[value * alpha / 255 for value in colours], [alpha]], [[value * whole / 255 for value in right_ones], [whole]], 1.5
        )


def test_facts_and_format_follow_what_is_shown(render_job: JobRenderer) -> None:
    for fields, alpha in ((extra(0), False), (extra(2), True), (extra(1), True), (NO_ALPHA, False)):
        made = render_job(tiff([*RED, 128], [*BLUE, 128], "u1", RGB, fields), "flip", "image/tiff", want_facts=True)
        assert made.rendered.facts
        assert made.rendered.facts.has_alpha == alpha
        assert made.rendered.result.content_type == ("image/png" if alpha else "image/jpeg")


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "f4"])
def test_a_profile_counts_beside_other_channels(kind: str, rendered: Renderer, shown: ShownColours) -> None:
    """P3 (200, 80, 60) is (216, 69, 50) in sRGB."""
    profile: Fields = {34675: (UNDEFINED, bytes(pyvips.Image.jpegload_buffer(pictures.profiled_jpeg()).get(PROFILE)))}
    whole = {"u1": 255, "u2": 65535, "u4": 2**32 - 1, "f4": 1.0}[kind]

    def colour(*values: int) -> list[float]:
        shares = [value / 255 * whole for value in values]
        return shares if kind == "f4" else [int(share) for share in shares]

    selection = tiff(colour(200, 80, 60, 99), colour(200, 80, 60, 99), kind, RGB, profile | extra(0))
    assert near(shown(selection, "resize:16x8"), [[216, 69, 50]] * 2)
    assert near(shown(selection, "resize:16x8|keep:icc|format:png"), [[200, 80, 60]] * 2)
    alpha = tiff(colour(200, 80, 60, 99, 128), colour(200, 80, 60, 99, 255), kind, RGB, profile | extra(0, 2))
    assert near(shown(alpha, "resize:16x8"), [[216, 69, 50, 128], [216, 69, 50, 255]], 2)
    assert near(shown(alpha, "resize:16x8|keep:icc|format:png"), [[200, 80, 60, 128], [200, 80, 60, 255]], 2)


@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_cmyk_with_a_profile_and_a_spot_ink(kind: str, shown: ShownColours) -> None:
    inks = pyvips.Image.black(1, 1, bands=3).copy(interpretation="srgb").icc_export(output_profile="cmyk", depth=8)
    profile: Fields = {34675: (UNDEFINED, bytes(inks.get(PROFILE)))}
    spotted = tiff(of(kind, 0, 0, 0, 255, 128), of(kind, 0, 0, 0, 0, 128), kind, CMYK, profile | extra(0))
    plain = tiff(of(kind, 0, 0, 0, 255), of(kind, 0, 0, 0, 0), kind, CMYK, profile)
    for chain in ("format:png", "resize:16x8", "resize:16x8|keep:icc|format:jpeg"):
        assert shown(spotted, chain) == shown(plain, chain)
    assert near(shown(plain), [BLACK, WHITE], 3)

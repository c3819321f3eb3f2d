"""Facts about an original: stored size, dominant colour, thumbhash."""

import base64
import random
from collections.abc import Callable

import pytest
import pyvips
from thumbhash import rgba_to_thumb_hash

from internal.pipeline.vips.facts import dominant_colour
from internal.pipeline.vips.thumbhash import thumbhash
from internal.ports.sandbox import Facts
from tests import pictures
from tests.unit.pipeline.conftest import JobRenderer


@pytest.fixture
def facts(render_job: JobRenderer) -> Callable[..., Facts]:
    def look(data: bytes, media_type: str, chain: str = "strip") -> Facts:
        found = render_job(data, chain, media_type, want_facts=True).rendered.facts
        assert found is not None
        return found

    return look


def _rgba(pixels: pyvips.Image) -> bytes:
    return bytes((pixels if pixels.hasalpha() else pixels.bandjoin(255)).write_to_memory())


def _near(colour: str, expected: tuple[int, int, int]) -> bool:
    return all(abs(a - b) <= 4 for a, b in zip(bytes.fromhex(colour[1:]), expected, strict=True))


def test_facts_are_computed_on_demand_only(render_job: JobRenderer) -> None:
    assert render_job(pictures.jpeg(), "strip", "image/jpeg").rendered.facts is None


@pytest.mark.parametrize(
    ("data", "media_type", "expected"),
    [
        (pictures.jpeg(640, 480), "image/jpeg", (640, 480, 1, False)),
        (pictures.exif_jpeg(6, 640, 480), "image/jpeg", (480, 640, 1, False)),
        (pictures.alpha_png(), "image/png", (64, 48, 1, True)),
        (
            pictures.animated_gif(5),
            "image/gif",
            (32, 24, 5, True),
        ),  # the GIF saver reserves one colour for transparency one colour for what is clear
        (pictures.animated_webp(3), "image/webp", (32, 24, 3, False)),
        (pictures.alpha_tiff(), "image/tiff", (64, 48, 1, True)),
    ],
)
@pytest.mark.parametrize("chain", ["strip", "crop:9x9+0+0|format:jpeg", "resize:20x20|rotate:90|format:png"])
def test_facts_do_not_depend_on_the_chain(
    data: bytes, media_type: str, expected: tuple[int, int, int, bool], chain: str, facts: Callable[..., Facts]
) -> None:
    found = facts(data, media_type, chain)

    assert (found.width, found.height, found.frames, found.has_alpha) == expected


def test_the_hash_is_that_of_the_upright_picture(facts: Callable[..., Facts]) -> None:
    upright = facts(pictures.exif_jpeg(1, 64, 48), "image/jpeg").thumbhash

    hashes = [facts(pictures.exif_jpeg(turned, 64, 48), "image/jpeg").thumbhash for turned in range(2, 9)]

    assert all(_differences(base64.b64decode(other), base64.b64decode(upright)) <= 2 for other in hashes)


def colour_of(known: Facts) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(known.dominant_colour[1:])
    return red, green, blue


@pytest.mark.parametrize(
    ("chain", "orientation"), [("resize:300x9,fit=fill", 1), ("resize:2x2", 1), ("autorotate:false", 6), ("resize:60x60", 1)]
)
def test_a_chain_that_distorts_the_picture_leaves_its_facts_alone(
    chain: str, orientation: int, facts: Callable[..., Facts]
) -> None:
    data = pictures.exif_jpeg(orientation, 640, 480)

    plain, found = facts(data, "image/jpeg", "strip"), facts(data, "image/jpeg", chain)

    steps = zip(base64.b64decode(found.thumbhash).hex(), base64.b64decode(plain.thumbhash).hex(), strict=True)
    assert all(abs(int(one, 16) - int(other, 16)) <= 1 for one, other in steps)
    assert _near(found.dominant_colour, colour_of(plain))


@pytest.mark.parametrize("keep", ["strip", "keep:icc"])
def test_facts_are_in_srgb(keep: str, facts: Callable[..., Facts]) -> None:
    red = pictures.scene(64, 48).crop(0, 0, 20, 20).icc_transform("p3", input_profile="srgb").jpegsave_buffer(Q=95, profile="p3")

    assert _near(facts(bytes(red), "image/jpeg", keep).dominant_colour, pictures.RED)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: pictures.scene(64, 48).crop(40, 4, 20, 12), pictures.GREEN),
        (lambda: pictures.scene(64, 48).crop(10, 30, 30, 18), pictures.BLUE),
        (lambda: pictures.alpha_scene(64, 48).crop(10, 0, 50, 20), pictures.RED),
        (lambda: pictures.scene(64, 48).bandjoin(0), (0, 0, 0)),
        (lambda: pictures.photo(64, 48).cast("uchar").colourspace("b-w") * 0 + 77, (77, 77, 77)),
        (lambda: pictures.scene(2000, 3).crop(900, 0, 1000, 1), pictures.GREEN),
    ],
    ids=["plain", "mostly blue", "where it can be seen", "nothing to be seen", "grey", "one pixel high"],
)
def test_the_dominant_colour_is_what_most_of_the_picture_shows(
    make: Callable[[], pyvips.Image], expected: tuple[int, int, int], facts: Callable[..., Facts]
) -> None:
    found = facts(bytes(make().cast("uchar").pngsave_buffer()), "image/png").dominant_colour

    assert _near(found, expected)


def test_ties_for_the_dominant_colour_are_deterministic() -> None:
    dark, light = bytes([10, 20, 30, 255]), bytes([200, 210, 220, 255])

    assert dominant_colour(dark * 9 + light * 9) == dominant_colour(light * 9 + dark * 9) == "#0a141e"


def _pattern(width: int, height: int, *, alpha: bool) -> bytes:
    return bytes(
        value % 256
        for y in range(height)
        for x in range(width)
        for value in (x * x * 3 + y * 7, x * 5 + y * y * 11, x * y + x, x * 29 + y * y * 3 if alpha else 255)
    )


@pytest.mark.parametrize(
    ("width", "height", "alpha", "expected"),
    [
        (32, 24, False, "dd08061d84304486327678838a468676df7eab36f7"),
        (10, 28, False, "99090a3306626078878675686f1b676061"),
        (24, 32, True, "dd08821402073103723899b3f4ccb7a9a07913423314461001"),
        (5, 32, True, "d71a8611061775908898797f405709a755a73287340825"),
        (100, 75, True, "1ff88104800710a232144616f3bddb8df237088e6644396a05"),
    ],
)
def test_a_thumbhash_is_what_the_published_program_makes(width: int, height: int, alpha: bool, expected: str) -> None:
    """Expected: npm's thumbhash 0.1.1, by the author of the format."""
    assert thumbhash(width, height, _pattern(width, height, alpha=alpha)).hex() == expected


def test_a_thumbhash_of_opaque_pixels_is_what_another_implementation_makes() -> None:
    dice = random.Random(5)
    for width, height in [(32, 24), (32, 32), (7, 32), (32, 1), (2, 2), (31, 17)]:
        pixels = [dice.randrange(256) if band % 4 < 3 else 255 for band in range(width * height * 4)]

        assert thumbhash(width, height, bytes(pixels)) == bytes(rgba_to_thumb_hash(width, height, pixels)), (width, height)


def test_a_thumbhash_of_what_cannot_be_seen_or_is_too_large() -> None:
    assert thumbhash(4, 4, bytes([9, 9, 9, 0]) * 16).hex() == "00088205000000000000000000000000000000000000000000"
    with pytest.raises(ValueError, match="100 by 100"):
        thumbhash(101, 1, bytes(404))


def test_a_small_copy_has_nearly_the_hash_of_a_large_one(facts: Callable[..., Facts]) -> None:
    """32 pixels are enough: compared with 100, one or two waves round differently."""
    photo = pictures.photo(800, 600)
    hundred = photo.resize(1 / 8)

    found = base64.b64decode(facts(bytes(photo.pngsave_buffer()), "image/png").thumbhash)

    assert _differences(found, thumbhash(hundred.width, hundred.height, _rgba(hundred))) <= len(found) * 2 // 4


def _differences(one: bytes, other: bytes) -> int:
    """The number of different half bytes; those after the five header bytes may differ by one."""
    assert len(one) == len(other)
    pairs = list(zip(one[5:].hex(), other[5:].hex(), strict=True))
    assert all(abs(int(a, 16) - int(b, 16)) <= 2 for a, b in pairs)
    return sum(a != b for a, b in pairs)

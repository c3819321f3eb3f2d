"""Requirements of every operation: difficult pictures, animations, and pixels that are read once."""

from collections.abc import Callable
from pathlib import Path

import pytest
import pyvips

from internal.domain.errors import ServiceError
from internal.pipeline.language.grammar import Grammar
from internal.pipeline.operations import BUILT_IN
from internal.pipeline.operations.operation import Option
from internal.pipeline.operations.preset import Preset
from internal.pipeline.vips.picture import Picture
from tests import pictures
from tests.unit.pipeline.conftest import Renderer, apply_chain

STEPS = tuple(operation for operation in BUILT_IN if not issubclass(operation, Option))
FURTHER = (
    "resize:20x30,fit=cover,gravity=attention",
    "resize:20x30,fit=contain",
    "resize:90x90,enlarge=true",
    "crop:9x9,gravity=entropy",
    "pad:margin=3;5;7;9",
    "pad:80x80,gravity=southeast",
    "rotate:33",
    "rotate:33,background=ff000080",
    "pixelate:7",
    "round:ellipse",
    "round:9,background=00ff00",
    "trim:0,background=fff",
)
"""Chains for operations whose example does not show everything."""
CHAINS = tuple(operation.example for operation in BUILT_IN if operation is not Preset) + FURTHER


def thread(width: int, height: int, suffix: str) -> bytes:
    """The centre of a picture, where its four quarters meet."""
    part = pictures.alpha_scene(128, 128).crop(64 - width // 2, 64 - height // 2, width, height)
    return bytes(part.write_to_buffer(f".{suffix}"))


HARD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "alpha": ("image/png", pictures.alpha_png),
    "grey": ("image/jpeg", pictures.grey_jpeg),
    "grey with alpha": ("image/png", lambda: bytes(pictures.alpha_scene().colourspace("b-w").pngsave_buffer())),
    "16 bit": ("image/png", pictures.deep_png),
    "cmyk": ("image/jpeg", pictures.cmyk_jpeg),
    "profile": ("image/jpeg", pictures.profiled_jpeg),
    "one pixel wide": ("image/png", lambda: thread(1, 48, "png")),
    "one pixel high": ("image/jpeg", lambda: thread(64, 1, "jpg")),
    "one pixel": ("image/png", lambda: thread(1, 1, "png")),
}
COUNT = 4
MOVING: dict[str, Callable[[], bytes]] = {
    "image/gif": lambda: pictures.animated_gif(COUNT),
    "image/webp": lambda: pictures.animated_webp(COUNT),
}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("name", HARD)
def test_hard_pictures_become_pictures_or_a_coded_error(name: str, chain: str, rendered: Renderer) -> None:
    media_type, make = HARD[name]
    try:
        facts, path = rendered(make(), chain, media_type)
    except ServiceError as error:
        if "pixel" not in name or error.code != "invalid_processing":
            raise
    else:
        image = pyvips.Image.new_from_file(str(path))
        assert (image.width, image.height) == (facts.width, facts.height)
        assert image.avg() >= 0


@pytest.mark.parametrize("chain", ["strip", "brightness:0", "resize:16x12"])
def test_frames_that_are_alike_stay_frames_in_a_gif(chain: str, rendered: Renderer) -> None:
    facts, path = rendered(pictures.standing_gif(), chain, "image/gif")

    image = pyvips.Image.new_from_file(str(path), n=-1)
    assert (facts.frames, image.get("delay")) == (4, [50, 60, 70, 80])


def test_the_frames_of_a_result_are_counted_in_it(rendered: Renderer) -> None:
    """libwebp merges two equal frames."""
    facts, path = rendered(pictures.standing_gif(), "format:webp", "image/gif")

    image = pyvips.Image.new_from_file(str(path), n=-1)
    assert (facts.frames, image.height) == (1, facts.height)


@pytest.mark.parametrize("chain", [chain for chain in CHAINS if "format" not in chain])
@pytest.mark.parametrize("media_type", MOVING)
def test_an_animation_stays_animated(media_type: str, chain: str, rendered: Renderer) -> None:
    facts, path = rendered(MOVING[media_type](), chain, media_type)

    image = pyvips.Image.new_from_file(str(path), n=-1)
    assert facts.frames == COUNT
    assert image.height == facts.height * COUNT
    assert image.get("delay") == [50, 60, 70, 80]
    assert image.get("loop") == 2


def roll_of(*frames: pyvips.Image) -> Picture:
    return Picture(pyvips.Image.arrayjoin(list(frames), across=1), len(frames), [40] * len(frames), 3)


def difference(one: pyvips.Image, other: pyvips.Image) -> float:
    assert (one.width, one.height, one.bands) == (other.width, other.height, other.bands)
    return float((one.cast("int") - other.cast("int")).abs().max())


@pytest.mark.parametrize("make", [pictures.scene, pictures.alpha_scene], ids=["colour", "alpha"])
@pytest.mark.parametrize("chain", [*(operation.example for operation in STEPS), *FURTHER])
def test_each_frame_comes_out_as_it_would_by_itself(chain: str, make: Callable[..., pyvips.Image]) -> None:
    """All of them are mirror images of one picture, so they have the same borders and the same saliency."""
    first = make(64, 48)
    frames = [first, first.invert() if first.bands == 3 else first.flipver(), first]

    made = apply_chain(chain, roll_of(*frames))

    assert (made.frames, made.delays, made.loop) == (3, [40] * 3, 3)
    for number, frame in enumerate(frames):
        if "gravity=" in chain and number == 1:
            continue
        alone = apply_chain(chain, Picture(frame)).pixels
        assert difference(made.pixels.crop(0, number * made.height, made.width, made.height), alone) == 0


STREAMING = [
    chain for chain in (*CHAINS, "resize:64x64") if all(operation.streams for operation in Grammar().parse(chain).operations)
]


def streamed(path: Path, chain: str, **options: object) -> pyvips.Image:
    """The result of the chain on a file that can be read once, from top to bottom."""
    pixels = pyvips.Image.new_from_file(str(path), access="sequential", fail_on="truncated", **options)
    return apply_chain(chain, Picture(pixels, int(pixels.get("n-pages")) if options else 1)).pixels.copy_memory()


@pytest.fixture(scope="module")
def long_pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Much higher than the rows that libvips buffers while it reads: a still and an animation."""
    folder = tmp_path_factory.mktemp("long")
    still, moving = folder / "still.png", folder / "moving.webp"
    pictures.photo(100, 4000).addalpha().pngsave(str(still))
    pictures.animation(12, 50, 300).webpsave(str(moving), lossless=True)
    return still, moving


@pytest.mark.parametrize("chain", STREAMING)
def test_streaming_operations_read_the_file_once(chain: str, long_pictures: tuple[Path, Path]) -> None:
    for path, options in zip(long_pictures, ({}, {"n": -1}), strict=True):
        whole = pyvips.Image.new_from_file(str(path), **options).copy_memory()
        expected = apply_chain(chain, Picture(whole, int(whole.get("n-pages")) if options else 1)).pixels
        assert difference(streamed(path, chain, **options), expected) == 0


@pytest.mark.parametrize("chain", STREAMING)
def test_streaming_operations_read_all_rows(chain: str, long_pictures: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    path.write_bytes(pictures.cut(long_pictures[0].read_bytes(), 0.97))

    with pytest.raises(pyvips.Error):
        streamed(path, chain)


def test_operations_on_the_whole_picture_do_not_stream() -> None:
    streaming = {chain.partition(":")[0] for chain in STREAMING}

    assert {"flop", "grayscale", "brightness", "tint", "round"} <= streaming
    assert not {"flip", "rotate", "crop", "trim", "blur", "sharpen"} & streaming

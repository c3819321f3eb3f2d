"""Formats, colours, limits, metadata, and files that are not what they should be."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import pyvips

from internal.errors import ImageTooLarge, InvalidImage, OutputTooLarge, UnsupportedMediaType
from tests import pictures
from tests.unit.pipeline.conftest import LIMITS, Renderer

MAKERS: dict[str, Callable[[], bytes]] = {
    "image/jpeg": lambda: pictures.photo_jpeg(320, 240),
    "image/png": lambda: pictures.png(320, 240),
    "image/webp": lambda: pictures.webp(320, 240),
    "image/gif": lambda: pictures.gif(320, 240),
    "image/tiff": lambda: pictures.tiff(320, 240),
}
CUT: dict[str, tuple[str, bytes]] = {
    "jpeg": ("image/jpeg", pictures.photo_jpeg(320, 240)),
    "progressive jpeg": ("image/jpeg", pictures.photo_jpeg(320, 240, interlace=True)),
    "jpeg that is shrunk on load": ("image/jpeg", pictures.photo_jpeg(1600, 1200)),
    "png": ("image/png", pictures.png(320, 240)),
    "interlaced png": ("image/png", pictures.png(320, 240, interlace=True)),
    "webp": ("image/webp", pictures.webp(320, 240)),
    "animated webp": ("image/webp", pictures.animated_webp(8)),
    "gif": ("image/gif", pictures.gif(320, 240)),
    "animated gif": ("image/gif", pictures.animated_gif(8)),
    "tiff": ("image/tiff", pictures.tiff(320, 240)),
    "tiled tiff": (
        "image/tiff",
        pictures.tiff(320, 240, tile=True, tile_width=64, tile_height=64, compression="lzw", bigtiff=True),
    ),
    "tiff with its header first": ("image/tiff", pictures.header_first_tiff(320, 240)),
}


@pytest.mark.parametrize("made", ["jpeg", "png", "webp", "gif"])
@pytest.mark.parametrize("given", MAKERS)
def test_every_format_becomes_every_other(given: str, made: str, rendered: Renderer) -> None:
    facts, path = rendered(MAKERS[given](), f"resize:100x100|format:{made}", given)

    image = pyvips.Image.new_from_file(str(path))
    assert facts.content_type == f"image/{made}"
    assert image.get("vips-loader") == f"{made}load"
    assert (image.width, image.height, facts.size) == (100, 75, path.stat().st_size)


@pytest.mark.parametrize(
    ("data", "given", "made"),
    [
        (pictures.gif(), "image/gif", "image/gif"),
        (pictures.tiff(), "image/tiff", "image/jpeg"),
        (pictures.alpha_tiff(), "image/tiff", "image/png"),
    ],
)
def test_without_a_format_the_result_is_as_the_input(data: bytes, given: str, made: str, rendered: Renderer) -> None:
    assert rendered(data, "flip", given)[0].content_type == made


@pytest.mark.parametrize("share", [0.35, 0.6, 0.9, -1])
@pytest.mark.parametrize(
    "chain", ["strip", "resize:40x40", "crop:8x8+0+0", "resize:40x10,fit=cover,gravity=north", "resize:20x20|format:jpeg"]
)
@pytest.mark.parametrize("name", CUT)
def test_a_picture_that_is_cut_short_is_never_processed(name: str, chain: str, share: float, rendered: Renderer) -> None:
    media_type, whole = CUT[name]
    rendered(whole, chain, media_type)

    with pytest.raises(InvalidImage) as fault:
        rendered(whole[:-1] if share < 0 else pictures.cut(whole, share), chain, media_type)

    assert "/" not in fault.value.detail


@pytest.mark.parametrize("media_type", MAKERS)
@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"GIF89a", b"not a picture at all, but a text of some length", pictures.png()[:40]]
)
def test_what_is_no_picture_is_refused(media_type: str, data: bytes, rendered: Renderer) -> None:
    with pytest.raises(InvalidImage):
        rendered(data, "strip", media_type)


@pytest.mark.parametrize("claimed", MAKERS)
@pytest.mark.parametrize("real", MAKERS)
def test_only_the_loader_of_the_media_type_is_asked(real: str, claimed: str, rendered: Renderer) -> None:
    if real == claimed:
        return
    with pytest.raises(InvalidImage):
        rendered(MAKERS[real](), "resize:10x10", claimed)


def test_other_loaders_are_blocked(rendered: Renderer) -> None:
    rendered(pictures.jpeg(), "strip")

    with pytest.raises(pyvips.Error, match="blocked"):
        pyvips.Image.svgload_buffer(b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>")
    with pytest.raises(UnsupportedMediaType):
        rendered(b"<svg/>", "strip", "image/svg+xml")


def _shows_red(path: object) -> bool:
    pixel = pyvips.Image.new_from_file(str(path)).getpoint(3, 3)
    return all(abs(a - b) < 45 for a, b in zip(pixel, pictures.RED, strict=True))


@pytest.mark.parametrize("chain", ["strip", "resize:16x16"])
@pytest.mark.parametrize("make", [pictures.cmyk_jpeg, pictures.profiled_jpeg], ids=["cmyk", "profile"])
def test_colours_come_out_as_srgb(make: Callable[[], bytes], chain: str, rendered: Renderer) -> None:
    _, path = rendered(make(), chain)

    assert pyvips.Image.new_from_file(str(path)).interpretation == "srgb"
    assert _shows_red(path)


def test_sixteen_bits_become_eight(rendered: Renderer) -> None:
    _, path = rendered(pictures.deep_png(), "resize:16x16|format:webp", "image/png")

    assert _shows_red(path)


def test_grey_stays_grey(rendered: Renderer) -> None:
    assert pyvips.Image.new_from_file(str(rendered(pictures.grey_jpeg(), "resize:16x16")[1])).bands == 1


def test_a_profile_that_cannot_be_used_is_left_out_of_account(rendered: Renderer) -> None:
    broken = pictures.scene().copy()
    broken.set_type(pyvips.GValue.blob_type, "icc-profile-data", b"no profile at all" * 20)

    assert _shows_red(rendered(bytes(broken.jpegsave_buffer(Q=95)), "strip")[1])


@pytest.mark.parametrize("make", [pictures.animated_gif, pictures.animated_webp])
@pytest.mark.parametrize(("made", "frames"), [("gif", 5), ("webp", 5), ("png", 1), ("jpeg", 1)])
@pytest.mark.parametrize("chain", ["resize:16x16", "rotate:90", "resize:20x20,fit=cover,gravity=entropy"])
def test_an_animation_keeps_its_frames_where_the_format_holds_them(
    make: Callable[[int], bytes], made: str, frames: int, chain: str, rendered: Renderer
) -> None:
    facts, path = rendered(make(5), f"{chain}|format:{made}", "image/gif" if make is pictures.animated_gif else "image/webp")

    image = pyvips.Image.new_from_file(str(path), n=-1) if frames > 1 else pyvips.Image.new_from_file(str(path))
    assert facts.frames == frames
    assert image.height == facts.height * frames
    assert frames == 1 or (image.get("delay"), image.get("loop")) == ([50, 60, 70, 80, 90], 2)


@pytest.mark.parametrize(
    ("data", "media_type", "limits"),
    [
        (pictures.huge_header_png(20_001, 4), "image/png", {}),
        (pictures.huge_header_png(4, 20_001), "image/png", {}),
        (pictures.huge_header_png(10_000, 10_000), "image/png", {}),
        (pictures.animated_gif(8), "image/gif", {"max_frames": 7}),
        (pictures.animated_webp(8, 32, 24), "image/webp", {"max_pixels": 8 * 32 * 24 - 1}),
    ],
)
@pytest.mark.parametrize("chain", ["strip", "resize:10x10|format:jpeg"])
def test_a_picture_beyond_the_limits_is_refused_at_its_header(
    data: bytes, media_type: str, limits: dict[str, int], chain: str, rendered: Renderer
) -> None:
    with pytest.raises(ImageTooLarge):
        rendered(data, chain, media_type, msgspec.structs.replace(LIMITS, **limits))


@pytest.mark.parametrize(
    ("chain", "limits"),
    [
        ("resize:60000x60000,fit=fill,enlarge=true", {}),
        ("resize:60000x60000,fit=contain", {}),
        ("resize:30000x1,fit=fill,enlarge=true|format:webp", {}),
        ("resize:64x48", {"max_output_bytes": 100}),
        ("resize:64x48", {"max_output_pixels": 64 * 48 - 1}),
    ],
)
def test_a_result_beyond_the_limits_is_refused(chain: str, limits: dict[str, int], rendered: Renderer) -> None:
    with pytest.raises(OutputTooLarge):
        rendered(pictures.jpeg(64, 48), chain, "image/jpeg", msgspec.structs.replace(LIMITS, **limits))


def test_quality_is_the_size_of_the_file(rendered: Renderer) -> None:
    sizes = [rendered(pictures.photo_jpeg(200, 200), f"quality:{quality}|format:jpeg")[0].size for quality in (20, 80, 95)]

    assert sizes == sorted(sizes)
    assert rendered(pictures.photo_jpeg(200, 200), "strip")[0].size == sizes[1]


def test_text_chunks_never_reach_libvips(rendered: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    load = pyvips.Image.pngload

    def spy(path: str, **options: object) -> pyvips.Image:
        read.append(Path(path).read_bytes())
        return load(path, **options)

    monkeypatch.setattr(pyvips.Image, "pngload", spy)

    rendered(pictures.text_bomb_png(), "resize:16x16", "image/png")

    assert read
    assert all(b"zTXt" not in data for data in read)

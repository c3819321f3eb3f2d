"""Rendering: formats, colours, limits, metadata, and damaged or mislabelled files."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import pyvips

from internal.domain.errors import ImageTooLarge, InvalidImage, InvalidProcessing, OutputTooLarge, UnsupportedMediaType
from internal.pipeline.vips import encode
from internal.pipeline.vips.picture import Picture
from internal.pipeline.vips.render import restrict_libvips
from internal.ports.sandbox import Overlay
from tests import pictures
from tests.unit.pipeline.conftest import LIMITS, JobRenderer, JobResult, Renderer

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
    "jpeg whose last rows a shrink leaves over": ("image/jpeg", pictures.photo_jpeg(320, 324)),
}
LAST = {"image/gif": 2, "image/jpeg": 3}
"""The minimum number of missing bytes, if not one: without its trailer or EOI a picture is still complete."""


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
    "chain",
    [
        *("strip", "resize:40x40", "crop:8x8+0+0", "resize:40x10,fit=cover,gravity=north", "resize:20x20|format:jpeg"),
        *("format:png", "flop|format:jpeg", "resize:400x,enlarge=true|format:jpeg", "grayscale|resize:30x30,fit=contain"),
        *("resize:100x100|format:auto", "resize:50x50|max_bytes:100000|format:webp"),
    ],
)
@pytest.mark.parametrize("name", CUT)
def test_a_picture_that_is_cut_short_is_never_processed(name: str, chain: str, share: float, rendered: Renderer) -> None:
    media_type, whole = CUT[name]
    rendered(whole, chain, media_type)

    with pytest.raises(InvalidImage) as fault:
        rendered(whole[: -LAST.get(media_type, 1)] if share < 0 else pictures.cut(whole, share), chain, media_type)

    assert "/" not in fault.value.detail


def test_damage_shows_also_where_a_crop_does_not_look(rendered: Renderer) -> None:
    whole = bytes(pictures.photo(320, 240).pngsave_buffer())
    place = len(whole) * 3 // 4
    damaged = whole[:place] + bytes(byte ^ 0xFF for byte in whole[place : place + 40]) + whole[place + 40 :]

    for chain in ("crop:8x8+0+0", "resize:320x8,fit=cover,gravity=north", "crop:8x8+0+0|resize:4x4|format:png"):
        rendered(whole, chain, "image/png")
        with pytest.raises(InvalidImage):
            rendered(damaged, chain, "image/png")


@pytest.mark.parametrize("media_type", MAKERS)
@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"GIF89a", b"not a picture at all, but a text of some length", pictures.png()[:40]]
)
def test_files_that_are_no_pictures_are_refused(media_type: str, data: bytes, rendered: Renderer) -> None:
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


@pytest.mark.parametrize("colour", [(51200, 12800, 0), (32768,)])
@pytest.mark.parametrize("chain", ["strip", "resize:21x", "resize:300x,enlarge=true"])
def test_sixteen_bits_of_a_plain_colour_and_its_alpha(chain: str, colour: tuple[int, ...], rendered: Renderer) -> None:
    """Only finer steps are lost. Opaque pixels stay opaque."""
    deep = pyvips.Image.black(64, 48, bands=len(colour) + 1).linear(1, [*colour, 65535]).cast("ushort")
    data = deep.copy(interpretation="rgb16" if len(colour) > 1 else "grey16").pngsave_buffer()

    _, path = rendered(bytes(data), f"{chain}|format:png", "image/png")

    made = pyvips.Image.new_from_file(str(path))
    assert made.getpoint(9, 9) == [*(value // 256 for value in colour), 255]


@pytest.mark.parametrize("chain", ["pad:80x60,background=ffcc00", "round:3,background=ffcc00", "rotate:10,background=ffcc00"])
def test_formats_without_alpha_get_the_background(chain: str, rendered: Renderer) -> None:
    clear = pyvips.Image.black(40, 30, bands=4).cast("uchar").copy(interpretation="srgb")

    _, path = rendered(bytes(clear.pngsave_buffer()), f"{chain}|format:jpeg|quality:100", "image/png")

    made = pyvips.Image.new_from_file(str(path))
    assert made.getpoint(made.width // 2, made.height // 2) == pytest.approx([255, 204, 0], abs=3)


def test_grey_stays_grey(rendered: Renderer) -> None:
    assert pyvips.Image.new_from_file(str(rendered(pictures.grey_jpeg(), "resize:16x16")[1])).bands == 1


def test_a_profile_that_cannot_be_used_is_left_out_of_account(rendered: Renderer) -> None:
    profile = bytes(pyvips.Image.new_from_buffer(pictures.profiled_jpeg(), "").get("icc-profile-data"))

    for broken in (b"no profile at all" * 20, profile[:200] + b"\xff" * 300):
        assert _shows_red(rendered(pictures.with_profile(pictures.jpeg(), broken), "strip")[1])


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


STREAMS = [
    "strip",
    "flop",
    "resize:100x100",
    "resize:200x50,fit=fill",
    "resize:500x,enlarge=true",
    "resize:100x100,fit=contain",
    "grayscale|resize:90x|flop|resize:200x,enlarge=true",
]


@pytest.mark.parametrize("made_as", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("chain", STREAMS)
@pytest.mark.parametrize("given", MAKERS)
def test_streaming_operations_need_no_memory_and_give_the_same_result(
    given: str, chain: str, made_as: str, rendered: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PNG, WebP and GIF pictures are held in memory for encoding, but not above MAX_HELD_BYTES."""
    monkeypatch.setattr(encode, "MAX_HELD_BYTES", 0)
    held = rendered(MAKERS[given](), f"{chain}|rotate:180|rotate:180|format:{made_as}", given)[1].read_bytes()

    def refuse(_picture: Picture) -> Picture:
        raise AssertionError("held in memory")

    monkeypatch.setattr(Picture, "in_memory", refuse)

    assert rendered(MAKERS[given](), f"{chain}|format:{made_as}", given)[1].read_bytes() == held


@pytest.mark.parametrize(("orientation", "times"), [(1, 0), (2, 0), (3, 1), (6, 1)])
def test_only_a_picture_that_must_be_turned_is_held_for_it(
    orientation: int, times: int, rendered: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[Picture] = []
    hold = Picture.in_memory

    def spy(picture: Picture) -> Picture:
        held.append(picture)
        return hold(picture)

    monkeypatch.setattr(Picture, "in_memory", spy)

    rendered(pictures.exif_jpeg(orientation), "resize:30x30")

    assert len(held) == times


def test_avif_and_heif_are_taken_only_where_it_is_said_so(rendered: Renderer) -> None:
    for media_type in ("image/avif", "image/heic"):
        restrict_libvips()
        with pytest.raises(UnsupportedMediaType):
            rendered(pictures.avif(), "strip", media_type)
        with pytest.raises(pyvips.Error, match="blocked"):
            pyvips.Image.heifload_buffer(pictures.avif())
        restrict_libvips(heif=True)
        assert rendered(pictures.avif(), "strip", media_type)[0].content_type == "image/jpeg"
    restrict_libvips()


@pytest.mark.usefixtures("heif_input")
def test_avif_is_turned_upright_once(rendered: Renderer) -> None:
    """Its own properties rotate it, and its EXIF repeats that."""
    for turned in range(1, 9):
        lying = pyvips.Image.new_from_buffer(pictures.exif_jpeg(turned, 64, 48), "")

        facts, path = rendered(bytes(lying.heifsave_buffer(compression="av1", Q=90)), "resize:32x32", "image/avif")

        assert (facts.width, facts.height) == (32, 24)
        assert _shows_red(path)


@pytest.mark.usefixtures("heif_input")
@pytest.mark.parametrize("share", [0.1, 0.35, 0.6, 0.9, -1])
def test_an_avif_that_is_cut_short_is_never_processed(share: float, rendered: Renderer) -> None:
    whole = bytes(pictures.photo(320, 240).heifsave_buffer(compression="av1", effort=0))
    for chain in ("strip", "resize:40x40", "crop:8x8+0+0", "flop|format:webp"):
        with pytest.raises(InvalidImage):
            rendered(whole[:-1] if share < 0 else pictures.cut(whole, share), chain, "image/avif")


@pytest.mark.usefixtures("heif_input")
def test_alpha_of_an_avif_survives(rendered: Renderer) -> None:
    clear = bytes(pictures.alpha_scene().heifsave_buffer(compression="av1"))

    facts, path = rendered(clear, "resize:32x32", "image/avif")

    assert facts.content_type == "image/png"
    assert pyvips.Image.new_from_file(str(path)).getpoint(30, 3)[3] < 8


def test_an_overlay_that_is_missing_or_broken_is_named(render_job: JobRenderer, tmp_path: Path) -> None:
    broken, chain = tmp_path / "overlay", "watermark:0190a6b0-0000-7000-8000-000000000001"
    broken.write_bytes(pictures.cut(pictures.photo_jpeg(320, 240)))

    with pytest.raises(InvalidProcessing, match="0190a6b0"):
        render_job(pictures.jpeg(), chain)
    with pytest.raises(InvalidImage, match="0190a6b0"):
        render_job(pictures.jpeg(), chain, overlays={chain.partition(":")[2]: Overlay(broken, "image/jpeg")})


def test_overlays_count_against_the_most_pixels_of_a_picture(render_job: JobRenderer, tmp_path: Path) -> None:
    """Each of them is held in memory."""
    names = [f"0190a6b0-0000-7000-8000-00000000000{number}" for number in range(3)]
    overlay = Overlay(tmp_path / "overlay", "image/png")
    overlay.path.write_bytes(pictures.png(64, 48))
    chain = "|".join(f"watermark:{name}" for name in names)

    def made(max_pixels: int) -> JobResult:
        limits = msgspec.structs.replace(LIMITS, max_pixels=max_pixels)
        return render_job(pictures.png(64, 48), chain, "image/png", overlays=dict.fromkeys(names, overlay), limits=limits)

    assert made(4 * 64 * 48).rendered.result.width == 64
    with pytest.raises(ImageTooLarge, match=f"{names[2]}.*the limit is"):
        made(4 * 64 * 48 - 1)


def test_an_overlay_lies_upright_and_its_animation_stands_still(render_job: JobRenderer, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay"
    for data, media_type, colour in [
        (pictures.exif_jpeg(6, 64, 48), "image/jpeg", pictures.RED),
        (pictures.animated_gif(4, 64, 48), "image/gif", pictures.RED),
    ]:
        overlay.write_bytes(data)
        name = "0190a6b0-0000-7000-8000-000000000001"

        done = render_job(
            pictures.png(64, 48), f"watermark:{name},gravity=northwest,scale=1", "image/png",
            overlays={name: Overlay(overlay, media_type)},
        )  # fmt: skip

        shown = pyvips.Image.new_from_file(str(done.target)).getpoint(4, 4)
        assert max(abs(a - b) for a, b in zip(shown, colour, strict=False)) < 20

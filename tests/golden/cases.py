"""The golden pictures: the example of every operation, and difficult cases, at a size fit for viewing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyvips
from msgspec import Struct

from internal.pipeline.language.grammar import Grammar
from internal.pipeline.operations import BUILT_IN
from internal.pipeline.operations.operation import Option, name_of
from internal.pipeline.vips.render import render
from internal.ports.sandbox import Overlay, RenderJob, RenderLimits
from tests import gifs, pictures
from tests.profiles import grey_profile

LIMITS = RenderLimits(
    max_width=32768, max_height=32768, max_pixels=10**8, max_frames=99, max_output_pixels=10**8, max_output_bytes=10**8
)
EXPECTED = Path(__file__).parent / "expected"


class Case(Struct, frozen=True):
    """A golden picture: `chain` applied to `source`."""

    name: str
    source: Callable[[], bytes]
    media_type: str
    chain: str

    @property
    def expected(self) -> Path:
        return EXPECTED / f"{self.name}.png"


def postcard() -> pyvips.Image:
    """A postcard with smooth colours, hard edges, fine lines, grey, black and white; 120x90."""
    ramp = pyvips.Image.xyz(120, 90)
    x, y = ramp[0] / 120, ramp[1] / 90
    bands = [(x * 360).sin() * 100 + 128, (y * 540).cos() * 90 + 128, ((x + y) * 270).sin() * 80 + 120]
    card = bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb")
    card = card.draw_rect([230, 40, 40], 12, 12, 30, 24, fill=True).draw_rect([20, 20, 20], 50, 12, 20, 24, fill=True)
    card = card.draw_circle([250, 220, 40], 90, 28, 16, fill=True).draw_rect([128, 128, 128], 12, 60, 30, 20, fill=True)
    for line in range(6):
        card = card.draw_line([255, 255, 255], 50 + 4 * line, 56, 74 + 4 * line, 84)
    return card


def _photo() -> bytes:
    return bytes(postcard().pngsave_buffer())


def _framed() -> bytes:
    """The postcard with a plain border, for `trim`."""
    return bytes(postcard().embed(10, 20, 160, 130, extend="background", background=[240, 240, 240]).pngsave_buffer())


def _clear() -> bytes:
    """The postcard, fading out to the right."""
    fade = (255 - pyvips.Image.xyz(120, 90)[0] * 255 / 119).cast("uchar")
    return bytes(postcard().bandjoin(fade).pngsave_buffer())


def _wide_gamut() -> bytes:
    return bytes(postcard().icc_transform("p3", input_profile="srgb").jpegsave_buffer(Q=97, profile="p3"))


def _grey_profiled() -> bytes:
    """Linear light: without its profile it is much too dark."""
    light = (postcard().colourspace("b-w") / 255) ** 2.2 * 255
    grey = light.cast("uchar").copy(interpretation="b-w")
    grey.set_type(pyvips.GValue.blob_type, "icc-profile-data", grey_profile(gamma=1.0))
    return bytes(grey.jpegsave_buffer(Q=100))


def _cmyk() -> bytes:
    return bytes(postcard().colourspace("cmyk").jpegsave_buffer(Q=97, keep="none"))


def _deep() -> bytes:
    return bytes(postcard().colourspace("rgb16").pngsave_buffer(bitdepth=16))


def _roll() -> pyvips.Image:
    frames = [postcard().crop(8 * number, 0, 88, 90) for number in range(4)]
    roll = pyvips.Image.arrayjoin(frames, across=1).copy()
    roll.set_type(pyvips.GValue.gint_type, "page-height", 90)
    roll.set_type(pyvips.GValue.array_int_type, "delay", [50, 60, 70, 80])
    return roll


def _animated() -> bytes:
    return bytes(_roll().webpsave_buffer(lossless=True))


def _wandering() -> bytes:
    """A box that moves over an otherwise empty screen of a monitor's size."""
    boxes = [gifs.GifFrame(gifs.plain(1, 200, 150), 200 * step, 150 * step, disposal=2) for step in range(3)]
    return gifs.gif_file(640, 480, *boxes)


def _thread() -> bytes:
    """One pixel wide."""
    return bytes(postcard().crop(30, 0, 1, 90).pngsave_buffer())


def _huge_flat() -> bytes:
    flat = pyvips.Image.black(9000, 9000, bands=3).linear(0, [40, 120, 200]).cast("uchar").copy(interpretation="srgb")
    return bytes(flat.pngsave_buffer(compression=9))


def _turned(orientation: int) -> Callable[[], bytes]:
    return lambda: pictures.exif_jpeg(orientation, 120, 90)


_LOGO = "0198b2c4-8d1e-7a53-9f60-2b7c1d4e5f60"
HARD = (
    Case("alpha-resized", _clear, "image/png", "resize:60x60"),
    Case("alpha-to-jpeg", _clear, "image/png", "resize:80x80,fit=cover,background=ffcc00|format:jpeg|quality:95"),
    Case("wide-gamut", _wide_gamut, "image/jpeg", "resize:80x80|format:png"),
    Case("grey-with-profile", _grey_profiled, "image/jpeg", "resize:80x80|format:png"),
    Case("cmyk", _cmyk, "image/jpeg", "resize:80x80|format:png"),
    Case("sixteen-bit", _deep, "image/png", "resize:80x80"),
    Case("animated-cover", _animated, "image/webp", "resize:60x60,fit=cover|format:webp|lossless"),
    Case("animated-blur", _animated, "image/webp", "blur:2|format:webp|lossless"),
    Case("animated-rotate", _animated, "image/webp", "rotate:90|format:webp|lossless"),
    Case("gif-on-bare-screen", _wandering, "image/gif", "resize:100x75|format:webp|lossless"),
    Case("one-pixel-wide", _thread, "image/png", "resize:40x40,fit=contain,background=333333"),
    Case("huge-flat", _huge_flat, "image/png", "resize:64x64"),
    Case("watermark-image", _clear, "image/png", f"watermark:{_LOGO},scale=0.4,gravity=southeast,margin=4,opacity=0.7"),
    Case("watermark-repeated", _photo, "image/png", f"watermark:{_LOGO},scale=0.2,angle=30,repeat=true,margin=5,opacity=0.5"),
    Case("animated-watermark", _animated, "image/webp", f"watermark:{_LOGO},scale=0.5,gravity=east|format:webp|lossless"),
    Case("as-jpeg", _photo, "image/png", "format:jpeg"),
    Case("as-webp", _photo, "image/png", "format:webp"),
    Case("as-avif", _photo, "image/png", "format:avif"),
    *(Case(f"orientation-{turn}", _turned(turn), "image/jpeg", "resize:80x80|format:png") for turn in range(1, 9)),
)


def cases() -> Iterator[Case]:
    """One case per operation, named after it, then the difficult ones."""
    for operation in BUILT_IN:
        if not issubclass(operation, Option):
            source = _framed if name_of(operation) == "trim" else _photo
            yield Case(name_of(operation), source, "image/png", _small(operation.example))
            yield Case(f"{name_of(operation)}-alpha", _clear, "image/png", _small(operation.example))
    yield from HARD


def _small(example: str) -> str:
    """The example scaled down: sizes of hundreds of pixels would not change a postcard."""
    return example.replace("300x200", "60x40").replace(":200", ":50")


def drawn(case: Case, folder: Path) -> pyvips.Image:
    """The case's rendered picture: 8 bit sRGB or grey, all frames one below the other."""
    source, target, overlay = folder / "source", folder / "target", folder / "overlay"
    source.write_bytes(case.source())
    overlay.write_bytes(bytes(postcard().crop(70, 8, 40, 40).pngsave_buffer()))
    chain = Grammar().parse(case.chain)
    overlays = {reference: Overlay(overlay, "image/png") for reference in chain.references}
    render(RenderJob(source, target, chain.canonical, case.media_type, LIMITS, overlays=overlays), chain, folder)
    pyvips.operation_block_set("VipsForeignLoadHeif", False)  # the render above has blocked it for this process
    pages = {"n": -1} if case.media_type in ("image/webp", "image/gif") else {}
    image = pyvips.Image.new_from_file(str(target), **pages).copy_memory()
    target.unlink()
    return image

"""Test pictures, made in code and returned as bytes. The same arguments give the same picture.

The scene is made of four plain quarters, so that a test can tell what was turned, mirrored or cut:

    red   | green
    ------+------
    blue  | white
"""

import io
import struct
import zlib
from typing import Any

import PIL.Image
import pyvips

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 30), (30, 30, 220), (250, 250, 250)
QUARTERS = (RED, GREEN, BLUE, WHITE)
GPS_MARK = b"SECRET-OWNER"
"""Stands in the EXIF of exif_jpeg: no result may contain it."""


def scene(width: int = 64, height: int = 48) -> pyvips.Image:
    """The four quarters, 8 bit sRGB."""
    left, top = width // 2, height // 2
    sizes = ((left, top), (width - left, top), (left, height - top), (width - left, height - top))
    parts = [_plain(colour, *size) for colour, size in zip(QUARTERS, sizes, strict=True)]
    return parts[0].join(parts[1], "horizontal").join(parts[2].join(parts[3], "horizontal"), "vertical")


def photo(width: int, height: int, seed: int = 1) -> pyvips.Image:
    """Soft noise in colour: compresses about as a photograph does."""
    bands = [
        pyvips.Image.perlin(width, height, cell_size=64, seed=seed + band)
        .linear(90, 128)
        .add(pyvips.Image.gaussnoise(width, height, mean=0, sigma=6, seed=seed + band))
        for band in range(3)
    ]
    return bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb")


def jpeg(width: int = 64, height: int = 48, **options: Any) -> bytes:
    return bytes(scene(width, height).jpegsave_buffer(**{"Q": 95, **options}))


def photo_jpeg(width: int, height: int, **options: Any) -> bytes:
    return bytes(photo(width, height).jpegsave_buffer(**{"Q": 85, **options}))


def png(width: int = 64, height: int = 48, **options: Any) -> bytes:
    return bytes(scene(width, height).pngsave_buffer(**options))


def webp(width: int = 64, height: int = 48, **options: Any) -> bytes:
    return bytes(scene(width, height).webpsave_buffer(**{"lossless": True, **options}))


def avif(width: int = 64, height: int = 48, **options: Any) -> bytes:
    return bytes(scene(width, height).heifsave_buffer(**{"compression": "av1", "effort": 0, **options}))


def turned_avif(orientation: int, width: int = 64, height: int = 48) -> bytes:
    """As exif_jpeg; Pillow writes the orientation as `irot` and `imir`."""
    stored, out, exif = turned_back(orientation, width, height), io.BytesIO(), PIL.Image.Exif()
    exif[0x0112] = orientation
    pixels = PIL.Image.frombytes("RGB", (stored.width, stored.height), bytes(stored.write_to_memory()))
    pixels.save(out, "AVIF", exif=exif, speed=10, quality=95)
    return out.getvalue()


def animated_avif(frames: int = 4, width: int = 32, height: int = 24) -> bytes:
    """A sequence (brand `avis`) whose frame n is plain in QUARTERS[n % 4]."""
    out = io.BytesIO()
    first, *rest = (PIL.Image.new("RGB", (width, height), QUARTERS[number % 4]) for number in range(frames))
    first.save(out, "AVIF", save_all=True, append_images=rest, duration=100, speed=10)
    return out.getvalue()


def _box(kind: bytes, *contents: bytes) -> bytes:
    body = b"".join(contents)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def heic(width: int = 64, height: int = 48) -> bytes:
    """The boxes of a photograph from a telephone (HEVC), around eight bytes that stand for its pixels."""
    versions, decoder = bytes(4), bytes.fromhex("0104080000009e00000000003cf000fcfdf8f800000300")
    properties = _box(b"ipco", _box(b"ispe", versions, struct.pack(">II", width, height)), _box(b"hvcC", decoder))
    used = _box(b"ipma", versions, struct.pack(">IHB", 1, 1, 2), b"\1\x82")
    item = _box(b"infe", b"\2\0\0\0", b"\0\1\0\0hvc1\0")

    def meta(pixels_at: int) -> bytes:
        place = _box(b"iloc", versions, b"\x44\0", struct.pack(">HHHHII", 1, 1, 0, 1, pixels_at, 8))
        handler, primary = _box(b"hdlr", versions, bytes(4), b"pict", bytes(13)), _box(b"pitm", versions, b"\0\1")
        items = _box(b"iinf", versions, b"\0\1", item)
        return _box(b"meta", versions, handler, primary, place, items, _box(b"iprp", properties, used))

    brands = _box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    return brands + meta(len(brands) + len(meta(0)) + 8) + _box(b"mdat", bytes(8))


def gif(width: int = 64, height: int = 48) -> bytes:
    return bytes(scene(width, height).gifsave_buffer())


def tiff(width: int = 64, height: int = 48, **options: Any) -> bytes:
    return bytes(scene(width, height).tiffsave_buffer(**options))


def alpha_scene(width: int = 64, height: int = 48) -> pyvips.Image:
    """The scene, opaque on its left half and fully transparent on its right one."""
    left = width // 2
    opaque, clear = _plain((255,), left, height), _plain((0,), width - left, height)
    return scene(width, height).bandjoin(opaque.join(clear, "horizontal"))


def alpha_png(width: int = 64, height: int = 48) -> bytes:
    return bytes(alpha_scene(width, height).pngsave_buffer())


def alpha_tiff(width: int = 64, height: int = 48) -> bytes:
    return bytes(alpha_scene(width, height).tiffsave_buffer())


def grey_jpeg(width: int = 64, height: int = 48) -> bytes:
    return bytes(scene(width, height).colourspace("b-w").jpegsave_buffer(Q=95))


def deep_png(width: int = 64, height: int = 48) -> bytes:
    """16 bits a channel."""
    return bytes(scene(width, height).colourspace("rgb16").pngsave_buffer(bitdepth=16))


def cmyk_jpeg(width: int = 64, height: int = 48) -> bytes:
    """CMYK as print shops send it, without a profile."""
    return bytes(scene(width, height).colourspace("cmyk").jpegsave_buffer(Q=95, keep="none"))


def profiled_jpeg(width: int = 64, height: int = 48) -> bytes:
    """In the P3 colour space, with its profile embedded."""
    return bytes(scene(width, height).icc_transform("p3", input_profile="srgb").jpegsave_buffer(Q=95, profile="p3"))


def with_profile(data: bytes, profile: bytes) -> bytes:
    """The JPEG `data` with this as its colour profile, whatever it is: libvips would not write one that it can't use."""
    segment = b"ICC_PROFILE\0\1\1" + profile
    return data[:2] + b"\xff\xe2" + struct.pack(">H", len(segment) + 2) + segment + data[2:]


def animation(frames: int = 4, width: int = 32, height: int = 24) -> pyvips.Image:
    """Frame n is plain in QUARTERS[n % 4]; it plays twice, with delays of 50, 60, 70, … ms."""
    roll = pyvips.Image.arrayjoin([_plain(QUARTERS[number % 4], width, height) for number in range(frames)], across=1).copy()
    roll.set_type(pyvips.GValue.gint_type, "page-height", height)
    roll.set_type(pyvips.GValue.array_int_type, "delay", [50 + 10 * number for number in range(frames)])
    roll.set_type(pyvips.GValue.gint_type, "loop", 2)
    return roll


def animated_gif(frames: int = 4, width: int = 32, height: int = 24) -> bytes:
    return bytes(animation(frames, width, height).gifsave_buffer())


def standing_gif() -> bytes:
    """An animation of four frames in which nothing moves."""
    still = animation(4).crop(0, 0, 32, 24)
    roll = pyvips.Image.arrayjoin([still] * 4, across=1).copy()
    for name in ("page-height", "delay", "loop"):
        roll.set_type(animation(4).get_typeof(name), name, animation(4).get(name))
    return bytes(roll.gifsave_buffer(keep_duplicate_frames=True))


def animated_webp(frames: int = 4, width: int = 32, height: int = 24) -> bytes:
    return bytes(animation(frames, width, height).webpsave_buffer(lossless=True))


def exif(orientation: int) -> bytes:
    """A TIFF structure as it lies in EXIF: orientation, an owner's name, and a place on earth (GPS)."""
    gps_at = 8 + 2 + 3 * 12 + 4 + len(GPS_MARK)
    entries = (
        struct.pack("<HHII", 0x0112, 3, 1, orientation),
        struct.pack("<HHII", 0x013B, 2, len(GPS_MARK), 8 + 2 + 3 * 12 + 4),
        struct.pack("<HHII", 0x8825, 4, 1, gps_at),
    )
    gps = struct.pack("<H", 2) + struct.pack("<HHI4s", 1, 2, 2, b"N\0\0\0") + struct.pack("<HHII", 2, 5, 3, gps_at + 2 + 24 + 4)
    place = struct.pack("<I6I", 0, 52, 1, 31, 1, 12, 1)
    return b"II*\0" + struct.pack("<IH", 8, 3) + b"".join(entries) + struct.pack("<I", 0) + GPS_MARK + gps + place


def turned_back(orientation: int, width: int, height: int) -> pyvips.Image:
    """What shows the scene upright, `width` by `height`, when this orientation (1 to 8) is followed."""
    undo: dict[int, list[str]] = {
        1: [],
        2: ["fliphor"],
        3: ["rot180"],
        4: ["flipver"],
        5: ["rot90", "fliphor"],
        6: ["rot270"],
        7: ["rot270", "fliphor"],
        8: ["rot90"],
    }
    stored = scene(width, height)
    for step in undo[orientation]:
        stored = getattr(stored, step)()
    return stored


def exif_jpeg(orientation: int = 1, width: int = 64, height: int = 48) -> bytes:
    """Shows the scene upright, `width` by `height`, when its orientation (1 to 8) is followed."""
    stored = turned_back(orientation, width, height)
    segment = b"Exif\0\0" + exif(orientation)
    plain = bytes(stored.jpegsave_buffer(Q=95, keep="none"))
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_png_chunks(data: bytes, *chunks: bytes) -> bytes:
    """`chunks` put behind the header of the PNG `data`."""
    return data[:33] + b"".join(chunks) + data[33:]


def text_bomb_png(width: int = 64, height: int = 48, unpacked: int = 2**20, chunks: int = 64) -> bytes:
    """A small PNG with zTXt chunks that unpack to `unpacked` bytes each."""
    text = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(unpacked), 9))
    return with_png_chunks(png(width, height), *[text] * chunks)


def huge_header_png(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is this large."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(bytes(64))) + png_chunk(b"IEND", b"")


def header_first_tiff(width: int = 64, height: int = 48) -> bytes:
    """A TIFF whose directory comes before its pixels, so that cutting its end leaves the header whole."""
    sides = [(256, 4, width), (257, 4, height)]
    entries = [*sides, (258, 3, 8), (259, 3, 1), (262, 3, 1), (277, 3, 1), (278, 4, height), (279, 4, width * height)]
    at = 8 + 2 + 12 * (len(entries) + 1) + 4
    entries = sorted([*entries, (273, 4, at)])
    out = io.BytesIO()
    out.write(b"II*\0" + struct.pack("<IH", 8, len(entries)))
    for tag, kind, value in entries:
        out.write(struct.pack("<HHII", tag, kind, 1, value))
    out.write(struct.pack("<I", 0) + bytes(range(256)) * (width * height // 256 + 1))
    return out.getvalue()[: at + width * height]


def cut(data: bytes, share: float = 0.6) -> bytes:
    """The first part of a file, as an upload that broke off leaves it."""
    return data[: int(len(data) * share)]


def _plain(colour: tuple[int, ...], width: int, height: int) -> pyvips.Image:
    interpretation = "srgb" if len(colour) == 3 else "b-w"
    return (
        pyvips.Image.black(width, height, bands=len(colour))
        .linear(0, list(colour))
        .cast("uchar")
        .copy(interpretation=interpretation)
    )


def diagram(width: int = 400, height: int = 300, *, colours: int = 12) -> pyvips.Image:
    """Flat graphics in `colours` colours, black and a ground: discs and lines."""
    image = pyvips.Image.black(width, height, bands=3).linear(1, 250).cast("uchar").copy(interpretation="srgb")
    for number in range(40):
        ink = [number % colours * 20, 255 - number % colours * 17, number % colours * 53 % 256]
        image = image.draw_circle(ink, number * 97 % width, number * 61 % height, 6 + number % 9, fill=True)
    for number in range(0, height, 12):
        image = image.draw_line([0, 0, 0], 10, number, width - number % 90, number + 5)
    return image


def recording(width: int = 240, height: int = 180, frames: int = 8) -> bytes:
    """A GIF of a screen with bars of text on which a small red square moves."""
    screen = pyvips.Image.black(width, height, bands=3).linear(1, 245).cast("uchar").copy(interpretation="srgb")
    screen = screen.draw_rect([60, 60, 70], 0, 0, width, height // 9, fill=True)
    for bar in range(12):
        screen = screen.draw_rect([90, 90, 90], 10, height // 6 + bar * height // 15, 40 + bar * 61 % (width - 60), 3, fill=True)
    squares = [screen.draw_rect([220, 30, 30], 20 + 5 * step, 20 + 3 * step, 10, 10, fill=True) for step in range(1, frames + 1)]
    roll = pyvips.Image.arrayjoin(squares, across=1).copy()
    roll.set_type(pyvips.GValue.gint_type, "page-height", height)
    roll.set_type(pyvips.GValue.array_int_type, "delay", [60 + 10 * frame for frame in range(frames)])
    return bytes(roll.gifsave_buffer(dither=0))

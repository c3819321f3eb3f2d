"""Mutants: valid pictures with random damage. Seed and number alone reproduce a mutant."""

import random
import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

from msgspec import Struct

from tests import pictures
from tests.apngs import BACKGROUND, OVER, PREVIOUS, Drawn, apng
from tests.hostile import files
from tests.pictures import png_chunk, with_png_chunks
from tests.tiff_pictures import CIELAB, CMYK, DEFLATE, LZW, RGB, extra, halves
from tests.tiffs import LONG, Ifd, picture, written

CHAINS = (
    "resize:64x64",
    "strip",
    "resize:40x30,fit=cover|format:webp",
    "rotate:90|resize:30x|format:png",
    "grayscale|format:gif",
    "crop:20x20+3+3|blur:2|quality:50",
)
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


class Mutant(Struct, frozen=True):
    """A mutant: its seed picture, the damage, and the pipeline. `seed` and `number` reproduce it."""

    seed: int
    number: int
    media_type: str
    data: bytes
    pipeline: str
    story: str


@cache
def originals() -> list[tuple[str, str, bytes]]:
    """Name, media type and bytes of the seed pictures: for each format the types that decoders treat differently."""
    made: dict[str, tuple[str, bytes]] = {
        "jpeg": ("jpeg", pictures.photo_jpeg(120, 90)),
        "progressive jpeg": ("jpeg", pictures.photo_jpeg(120, 90, interlace=True)),
        "jpeg with exif": ("jpeg", pictures.exif_jpeg(6)),
        "jpeg with profile": ("jpeg", pictures.profiled_jpeg()),
        "CMYK jpeg": ("jpeg", pictures.cmyk_jpeg()),
        "png": ("png", pictures.png()),
        "palette png": ("png", pictures.png(palette=True)),
        "interlaced png": ("png", pictures.png(interlace=True)),
        "png with alpha": ("png", pictures.alpha_png()),
        "16 bit png": ("png", pictures.deep_png()),
        "png with extras": ("png", with_png_chunks(pictures.png(profile="p3"), png_chunk(b"gAMA", b"\0\0\xb1\x8f"))),
        "linear png": ("png", with_png_chunks(pictures.png(), png_chunk(b"gAMA", b"\0\1\x86\xa0"))),
        "PQ png": ("png", with_png_chunks(pictures.deep_png(), png_chunk(b"cICP", bytes([9, 16, 0, 1])))),
        "apng": ("png", pictures_that_move()),
        "apng with a palette": ("png", pictures_that_move(palette=True, bitdepth=8)),
        "apng with a static picture apart": ("png", pictures_that_move(static=pictures.alpha_scene(32, 24), interlace=True)),
        "lossless webp": ("webp", pictures.webp()),
        "lossy webp": ("webp", pictures.webp(lossless=False)),
        "animated webp": ("webp", pictures.animated_webp()),
        "gif": ("gif", pictures.gif()),
        "animated gif": ("gif", pictures.animated_gif()),
        "tiff": ("tiff", pictures.tiff()),
        "deflated tiff": ("tiff", pictures.tiff(compression="deflate", predictor="horizontal")),
        "tiff of jpeg tiles": ("tiff", pictures.tiff(compression="jpeg", tile=True, tile_width=16, tile_height=16)),
        "LZW tiff": ("tiff", pictures.tiff(compression="lzw", bigtiff=True)),
        "big-endian BigTIFF": ("tiff", written(picture(64, 48), order=">", big=True)),
        **_odd_tiffs(),
        "avif": ("avif", files.avif()),
        "turned avif": ("avif", pictures.turned_avif(6)),
        "avif sequence": ("avif", pictures.animated_avif()),
    }
    return [(name, f"image/{kind}", data) for name, (kind, data) in made.items()]


def pictures_that_move(**options: Any) -> bytes:
    """Frames of any size and disposal, partly transparent."""
    frames = [
        Drawn(pictures.alpha_scene(32, 24), dispose=PREVIOUS),
        Drawn(pictures.alpha_scene(20, 10), 5, 3, dispose=BACKGROUND, blend=OVER),
        Drawn(pictures.alpha_scene(9, 17), 20, 4, blend=OVER, dispose=PREVIOUS),
        Drawn(pictures.alpha_scene(32, 24)),
    ]
    return apng(frames, **options)


def _odd_tiffs() -> dict[str, tuple[str, bytes]]:
    """TIFFs that libvips reads through rewritten directories."""
    light, dark = (0.8, 0.2, 0.1), (0.1, 0.2, 0.8)
    preview, size = picture(16, 12, {254: (LONG, (1,))}), (64, 48)
    float_tiles = halves(light, dark, "f4", RGB, tile=16, planes=True, compression=LZW, size=size)
    made = {
        "preview with a SubIFD": written(Ifd(preview.fields, (picture(64, 48),), preview.strip)),
        "BigTIFF with a SubIFD": written(Ifd(preview.fields, (float_tiles,), preview.strip), big=True),
        "preview, then the picture": written(preview, picture(64, 48)),
        "tiff of floats": written(halves(light, dark, "f2", RGB, predictor=3, compression=DEFLATE, size=size)),
        "tiff of doubles": written(halves(light, dark, "f8", RGB, order=">", size=size), order=">"),
        "tiff of signed planes": written(halves((-9, 5, 100), (9, 0, -100), "i1", RGB, planes=True, size=size)),
        "12 bit tiff": written(halves((1024,), (3000,), "b12", size=size)),
        "Lab tiff": written(halves((128, 3, 250), (90, 250, 9), "u1", CIELAB, size=size)),
        "CMYK tiff with a spot ink": written(halves((0, 9, 90, 8, 255), (90, 9, 0, 8, 0), "u1", CMYK, extra(0), size=size)),
    }
    return {name: ("tiff", data) for name, data in made.items()}


def mutant(seed: int, number: int) -> Mutant:
    """Mutant `number` of the series `seed`."""
    chance = random.Random(f"{seed}/{number}")
    known = originals()
    name, media_type, data = known[number % len(known)]
    changes = [chance.choice(CHANGES) for _ in range(chance.choice((1, 1, 1, 2, 4)))]
    for change in changes:
        data = change(data, chance)
    if media_type == "image/png" and chance.random() < 0.8:
        data = with_right_sums(data)
    story = f"{name}: {', '.join(change.__name__ for change in changes)}"
    return Mutant(seed, number, media_type, data, chance.choice(CHAINS), story)


def flip_bits(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 2, 8, 32))):
        if changed:
            changed[_place(changed, chance)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def write_extremes(data: bytes, chance: random.Random) -> bytes:
    """As into a field for a length, a size or a number of things."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        width, value = chance.choice((1, 2, 4)), chance.choice(EXTREMES)
        at = _place(changed, chance)
        changed[at : at + width] = (value & (256**width - 1)).to_bytes(width, chance.choice(("big", "little")))
    return bytes(changed[: max(len(data), 1)])


def repeat_piece(data: bytes, chance: random.Random) -> bytes:
    pieces = _pieces(data, chance)
    at = chance.randrange(len(pieces))
    return b"".join(pieces[:at] + [pieces[at]] * chance.choice((2, 3, 50)) + pieces[at + 1 :])


def drop_piece(data: bytes, chance: random.Random) -> bytes:
    pieces = _pieces(data, chance)
    del pieces[chance.randrange(len(pieces))]
    return b"".join(pieces)


def swap_pieces(data: bytes, chance: random.Random) -> bytes:
    pieces = _pieces(data, chance)
    one, other = chance.randrange(len(pieces)), chance.randrange(len(pieces))
    pieces[one], pieces[other] = pieces[other], pieces[one]
    return b"".join(pieces)


def splice(data: bytes, chance: random.Random) -> bytes:
    """The beginning of this file and the end of another."""
    _, _, other = chance.choice(originals())
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other)) :]


CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip_bits,
    flip_bits,
    cut,
    write_extremes,
    write_extremes,
    repeat_piece,
    drop_piece,
    swap_pieces,
    splice,
)


def _place(data: bytearray, chance: random.Random) -> int:
    """Half of all changes fall into the first bytes, where headers are."""
    return chance.randrange(max(1, min(len(data), chance.choice((64, len(data))))))


def _pieces(data: bytes, chance: random.Random) -> list[bytes]:
    """Chunks of PNG and WebP, segments of JPEG; for other formats, and sometimes for these, pieces of any length."""
    bounds: list[int] = []
    if chance.random() < 0.8:
        if data.startswith(b"\x89PNG"):
            bounds = _bounds(data, 8, lambda head: int.from_bytes(head[:4], "big") + 12)
        elif data.startswith(b"RIFF"):
            bounds = _bounds(data, 12, lambda head: (int.from_bytes(head[4:8], "little") + 9) & ~1)
        elif data.startswith(b"\xff\xd8"):
            bounds = _bounds(data, 2, lambda head: int.from_bytes(head[2:4], "big") + 2 if head[1:2] != b"\xda" else len(data))
    bounds = bounds or sorted(chance.randrange(len(data) + 1) for _ in range(6))
    return [data[start:end] for start, end in zip([0, *bounds], [*bounds, len(data)], strict=True)]


def _bounds(data: bytes, start: int, length_of: Callable[[bytes], int]) -> list[int]:
    bounds = [start]
    while (at := bounds[-1] + length_of(data[bounds[-1] : bounds[-1] + 8])) < len(data):
        bounds.append(at)
    return bounds


def with_right_sums(data: bytes) -> bytes:
    """A PNG with correct checksums, so that they do not reveal the damage."""
    changed = bytearray(data)
    at = 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        changed[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(changed)

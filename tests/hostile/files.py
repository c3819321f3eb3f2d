"""Hostile files, generated: patched headers, compressed zeros, crafted chunks. All are small."""

import struct
import zlib
from functools import cache

from tests import pictures, tiffs
from tests.pictures import png_chunk, with_png_chunks

PHP = b"<?php system($_GET['c']); ?>"


@cache
def zeros(unpacked: int) -> bytes:
    """This many zero bytes, compressed a thousandfold."""
    return zlib.compress(bytes(unpacked), 9)


# PNG


def png_full_of_text(kind: bytes, chunks: int, unpacked: int = 50_000_000) -> bytes:
    """Text chunks that decompress to 50 MB each."""
    head = b"Comment\0\0" if kind == b"zTXt" else b"Comment\0\1\0\0\0"
    return with_png_chunks(pictures.png(), *[png_chunk(kind, head + zeros(unpacked))] * chunks)


def png_with_profile(unpacked: int, times: int = 1) -> bytes:
    return with_png_chunks(pictures.png(), *[png_chunk(b"iCCP", b"profile\0\0" + zeros(unpacked))] * times)


def png_of(width: int, height: int, *, depth: int = 8, interlaced: bool = False, rows: int = 0) -> bytes:
    """Grey, with this many black rows, then truncated."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, int(interlaced)))
    pixels = zlib.compress(bytes(rows * (width * depth // 8 + 1)), 1)
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")


def png_of_crumbs(kind: bytes, chunks: int) -> bytes:
    """Empty chunks."""
    return with_png_chunks(pictures.png(), png_chunk(kind, b"") * chunks)


def apng_of_frames(frames: int, side: int = 1, *, pieces: int = 1) -> bytes:
    """Grey frames of one pixel on a canvas of this side, each in this many chunks, the first of which has all data."""
    pixel = zlib.compress(bytes(2))
    canvas = zlib.compress(bytes((side + 1) * side), 9)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    parts, number = [header, png_chunk(b"acTL", struct.pack(">II", frames, 0))], 0
    for frame in range(frames):
        across = 1 if frame else side
        parts.append(png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, across, across, 0, 0, 1, 10, 2, 1)))
        number += 1
        if not frame:
            parts.append(png_chunk(b"IDAT", canvas))
            continue
        for piece in range(pieces):
            parts.append(png_chunk(b"fdAT", struct.pack(">I", number) + (pixel if piece == 0 else b"")))
            number += 1
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + png_chunk(b"IEND", b"")


# JPEG


def jpeg_of(width: int, height: int, *, progressive: bool) -> bytes:
    """A complete picture of 16 pixels with a larger size in its header."""
    data = bytearray(pictures.jpeg(16, 16, interlace=progressive))
    frame = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_with_hidden_size(data: bytes, padding: int) -> bytes:
    """The frame header moved by this many bytes, beyond the part that the upload reads."""
    return data[:2] + (b"\xff\xe3\xff\xff" + bytes(65533)) * (padding // 65537 + 1) + data[2:]


def _segment(kind: int, data: bytes) -> bytes:
    return bytes([0xFF, kind]) + struct.pack(">H", len(data) + 2) + data


def jpeg_of_many_scans(scans: int, side: int = 4096) -> bytes:
    """A valid grey progressive JPEG: each scan has a few bytes and visits one coefficient of all blocks."""
    one_code = bytes([1, *[0] * 15])
    head = _segment(0xDB, b"\0" + b"\1" * 64) + _segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0")
    tables = _segment(0xC4, b"\0" + one_code + b"\0") + _segment(0xC4, b"\x10" + one_code + b"\xe0")  # "32767 blocks are empty"
    blocks = (side // 8) ** 2
    first = _segment(0xDA, b"\1\1\0\0\0\0") + bytes(blocks // 8)
    bits = ("0" + "1" * 14) * (blocks // 32767 + 1)
    empty = int(bits.ljust(-(-len(bits) // 8) * 8, "1"), 2).to_bytes(-(-len(bits) // 8), "big").replace(b"\xff", b"\xff\0")
    steps = [(which, step) for which in range(1, 64) for step in range(13, -1, -1)][:scans]
    marks = [bytes([1, 1, 0, which, which, (step + 1) % 14 << 4 | step]) for which, step in steps]
    return b"\xff\xd8" + head + tables + first + b"".join(_segment(0xDA, mark) + empty for mark in marks) + b"\xff\xd9"


def jpeg_of_crumbs(segments: int) -> bytes:
    """Empty comments."""
    data = pictures.jpeg()
    return data[:2] + b"\xff\xfe\0\2" * segments + data[2:]


def jpeg_and_more(more: bytes) -> bytes:
    """A picture without its EOI, followed by this many bytes."""
    return pictures.jpeg()[:-2] + more


def jpeg_and_directory(length: int) -> bytes:
    """A directory of missing Samsung blocks, as many entries as fit into this many bytes."""
    directory = b"SEFH" + struct.pack("<II", 106, length // 12) + b"\1" * length
    return jpeg_and_more(directory + struct.pack("<I", len(directory)) + b"SEFT")


# WebP, AVIF


def webp_of(width: int, height: int) -> bytes:
    """One colour in lossless mode takes no bits per pixel: a complete file of large size."""
    data = bytearray(pictures.scene(16, 16).crop(0, 0, 4, 4).webpsave_buffer(lossless=True, keep="none"))
    start = data.index(b"VP8L") + 9
    (bits,) = struct.unpack_from("<I", data, start)
    struct.pack_into("<I", data, start, bits & 0xF0000000 | (height - 1) << 14 | (width - 1))
    return bytes(data)


def avif(width: int = 64, height: int = 48) -> bytes:
    return bytes(pictures.scene(width, height).heifsave_buffer(compression="av1", effort=0))


def avif_of(width: int, height: int) -> bytes:
    data = bytearray(avif(64, 48))
    size = data.index(b"ispe") + 8
    data[size : size + 8] = struct.pack(">II", width, height)
    return bytes(data)


def avif_sequence(frames: int) -> bytes:
    """Tables that declare this many frames of one byte each."""
    data = bytearray(pictures.animated_avif())
    sizes, times = data.index(b"stsz") + 8, data.index(b"stts") + 8
    data[sizes : sizes + 8] = struct.pack(">II", 1, frames)
    data[times : times + 8] = struct.pack(">II", 1, frames)
    return bytes(data)


# GIF


def gif_of(width: int, height: int) -> bytes:
    """A canvas larger than its only frame."""
    data = pictures.gif(16, 16)
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


def gif_of_frames(frames: int, width: int = 1, height: int = 1) -> bytes:
    """Frames of one pixel."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x21\xf9\x04\0\x01\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return head + frame * frames + b"\x3b"


def gif_full_of_nul(padding: int) -> bytes:
    """Before its trailer."""
    return pictures.gif(16, 16)[:-1] + bytes(padding) + b"\x3b"


def gif_of_crumbs(blocks: int) -> bytes:
    """Data blocks of one byte instead of 255."""
    data = pictures.gif(16, 16)
    return data[:-1] + b"\x21\xfe" + b"\1x" * blocks + b"\0\x3b"


# TIFF


def tiff_of(width: int, height: int, pages: int = 1, *, loop: bool = False, padding: int = 0) -> bytes:
    """Grey, one strip, deflated. The first directory links to the next, or to itself. Padding hides it from the upload."""
    strip = zeros(100_000) + bytes(padding)
    out = bytearray(b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip)
    for page in range(pages):
        fields = [(256, width), (257, height), (258, 8), (259, 8), (262, 1), (273, 8), (277, 1), (278, height), (279, len(strip))]
        following = len(out) + 2 + 12 * len(fields) + 4
        out += struct.pack("<H", len(fields))
        out += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields)
        out += struct.pack("<I", 8 + len(strip) if loop else following if page < pages - 1 else 0)
    return bytes(out)


def tiff_of_subdirectories() -> bytes:
    """Sixteen pages that each link to sixteen directories of 4000 fields."""
    wide = tiffs.Ifd(dict.fromkeys(range(1000, 5000), (tiffs.SHORT, (1,))))
    page = tiffs.picture(64, 48)
    return tiffs.written(*[tiffs.Ifd(page.fields, (wide,) * 16, page.strip) for _ in range(16)])


def tiff_of_previews(count: int) -> bytes:
    """This many reduced versions, each with the next as its sub-directory, and no picture."""
    reduced: tiffs.Fields = {254: (tiffs.LONG, (1,))}
    nested = tiffs.picture(8, 6, reduced)
    for _ in range(count):
        nested = tiffs.Ifd(nested.fields, (nested,), nested.strip)
    return tiffs.written(nested)


def tiff_preview_of_itself() -> bytes:
    """A reduced version whose sub-directory is itself."""
    data = bytearray(tiffs.written(tiffs.picture(8, 6, {254: (tiffs.LONG, (1,)), 330: (tiffs.LONG, (0,))})))
    entry = data.index(struct.pack("<HHI", 330, tiffs.LONG, 1))
    data[entry + 8 : entry + 12] = data[4:8]
    return bytes(data)


def tiff_of_samples(count: int, width: int, height: int = 64) -> bytes:
    """Floats of 64 bits, this many per pixel, all zero and deflated."""
    said = min(count, 1000)
    grey: tiffs.Fields = {258: (tiffs.SHORT, (64,) * said), 339: (tiffs.SHORT, (3,) * said), 277: (tiffs.LONG, (count,))}
    packed: tiffs.Fields = {259: (tiffs.SHORT, (8,)), 262: (tiffs.SHORT, (1,)), 278: (tiffs.SHORT, (1,))}
    page = tiffs.picture(width, height, grey | packed)
    row = zeros(said * width * 8)
    return tiffs.written(tiffs.Ifd({tag: value for tag, value in page.fields.items() if tag != 279}, parts=(row,) * height))


def tiff_with_greedy_tag(count: int = 2**32 - 1) -> bytes:
    """A field that declares this many values."""
    data = pictures.header_first_tiff()
    return data.replace(struct.pack("<HHI", 273, 4, 1), struct.pack("<HHI", 273, 4, count))


# Files that are no pictures


TEXTS = {
    "matrix": b"3 3 1 0\n1 2 3\n4 5 6\n7 8 9\n",
    "CSV": b"1;2;3\n4;5;6\n",
    "SVG": b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><script>alert(1)</script></svg>",
    "PDF": b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
    "HTML": b"<!doctype html><title>x</title><script>alert(1)</script>",
    "PHP": PHP,
    "ZIP": b"PK\x03\x04" + bytes(26) + b"PK\x05\x06" + bytes(18),
}


# Pictures that are something else too


def php_jpeg() -> bytes:
    data = pictures.jpeg()
    return data[:2] + b"\xff\xfe" + struct.pack(">H", len(PHP) + 2) + PHP + data[2:] + PHP


def php_gif() -> bytes:
    data = pictures.gif()
    return data[:-1] + b"\x21\xfe" + bytes([len(PHP)]) + PHP + b"\0\x3b" + PHP


def php_png() -> bytes:
    return with_png_chunks(pictures.png(), png_chunk(b"tEXt", b"Comment\0" + PHP)) + PHP

"""JPEG files of kinds that libvips does not write."""

import struct


def lossless_jpeg(rows: list[list[int]]) -> bytes:
    """Grey, by predictor 1 (T.81, annex H): each value as what it differs from its left neighbour by."""
    bits = ""
    for y, row in enumerate(rows):
        for x, value in enumerate(row):
            before = row[x - 1] if x else rows[y - 1][0] if y else 128
            length = abs(value - before).bit_length()
            bits += f"{length:04b}"
            if length:
                bits += f"{value - before if value > before else value - before + 2**length - 1:0{length}b}"
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    frame = struct.pack(">HBHHB", 11, 8, len(rows), len(rows[0]), 1) + b"\1\x11\0"
    codes = b"\0\x1c\0" + bytes([0, 0, 0, 9, *[0] * 12]) + bytes(range(9))
    return b"\xff\xd8\xff\xc3" + frame + b"\xff\xc4" + codes + b"\xff\xda\0\x08\1\1\0\1\0\0" + data + b"\xff\xd9"

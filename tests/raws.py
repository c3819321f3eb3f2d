"""Camera raw files: their directories, as cameras write them, around a small preview. They hold no sensor's samples."""

from tests import tiffs
from tests.tiffs import ASCII, BYTE, LONG, SHORT, Fields, Ifd

CFA, LINEAR_RAW = 32803, 34892


def preview(maker: bytes = b"", *below: Ifd, fields: Fields | None = None) -> Ifd:
    """A small picture that says of itself that it is a reduced one."""
    marks: Fields = {254: (LONG, (1,)), 271: (ASCII, maker + b"\0")}
    ifd = tiffs.picture(fields=marks | (fields or {}))
    return Ifd(ifd.fields, below, ifd.strip)


def sensor(photometric: int = CFA, compression: int = 1) -> Ifd:
    return Ifd(
        {254: (LONG, (0,)), 256: (SHORT, (80,)), 257: (SHORT, (60,)), 259: (SHORT, (compression,)), 262: (SHORT, (photometric,))}
    )


def cr2() -> bytes:
    """Canon's header, and the first of its directories behind it; values that lie elsewhere stay where they are."""
    data = tiffs.written(tiffs.picture(16, 16, {271: (ASCII, b"Canon\0"), 259: (SHORT, (6,))}))
    directory = int.from_bytes(data[4:8], "little")
    front = b"II*\0\x10\0\0\0CR\x02\0" + bytes(4) + data[directory:]
    return front + data[len(front) :]


RAWS = {
    "Adobe DNG": tiffs.written(preview(b"Google", sensor(), fields={50706: (BYTE, (1, 4, 0, 0))})),
    "Nikon raw (NEF)": tiffs.written(preview(b"NIKON CORPORATION", preview(), sensor(compression=34713)), order=">"),
    "Sony raw (ARW)": tiffs.written(preview(b"SONY", sensor(compression=32767))),
    "Pentax raw (PEF)": tiffs.written(Ifd(sensor(compression=65535).fields | {271: (ASCII, b"PENTAX\0")}), order=">"),
    "Samsung raw (SRW)": tiffs.written(preview(b"SAMSUNG", sensor(compression=32770))),
    "Hasselblad raw (3FR)": tiffs.written(preview(b"Hasselblad", sensor())),
    "Epson raw (ERF)": tiffs.written(preview(b"SEIKO EPSON CORP.", sensor())),
    "Kodak raw (DCR)": tiffs.written(preview(b"EASTMAN KODAK COMPANY"), sensor(compression=65000)),
    "Canon raw (CR2)": cr2(),
    "camera raw": tiffs.written(preview(b"Somebody", sensor(LINEAR_RAW))),
    "Phase One raw (IIQ)": b"II*\0\x08\0\0\0IIII\0waR" + bytes(64),
}

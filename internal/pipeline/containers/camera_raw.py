"""Detection of camera raw files that are TIFF files inside: DNG, NEF, ARW, CR2, PEF and similar formats.

They begin like a TIFF, and most list a small preview first, which would be shown instead of the photograph. A file is raw if a
directory or sub-directory holds sensor data: its PhotometricInterpretation says so (32803 of TIFF/EP, 34892 of DNG), or only
cameras write its compression; DNG also has a version tag. The maker's name is not enough: scans and edited photographs have it
too. Pure Python, bounded; it also works on a file's first bytes.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from internal.domain.errors import UnsupportedMediaType
from internal.pipeline.containers.tiff_fields import Directory, OutOfReach, TiffFile

_COMPRESSION, _PHOTOMETRIC, _MAKE, _SUBDIRECTORIES, _DNG_VERSION = 259, 262, 271, 330, 50706
_SENSOR_DATA = frozenset({32803, 34892})
"""PhotometricInterpretation of a colour filter array (TIFF/EP) and of linear raw (DNG)."""
_SENSOR_COMPRESSIONS = frozenset({32767, 32769, 32770, 32772, 32867, 34713, 65000, 65535})
"""Compression: Sony ARW, packed raw, Samsung SRW (twice), Kodak KDC, Nikon NEF, Kodak DCR, Pentax PEF, as ExifTool lists them.

libtiff reads none of these.
"""
_MAX_DIRECTORIES, _MAX_FIELDS = 16, 256
"""Directories read per file, and fields per directory. Cameras write five directories with up to a hundred fields."""

_MAKERS = {
    b"NIKON": "Nikon raw (NEF)",
    b"SONY": "Sony raw (ARW)",
    b"PENTAX": "Pentax raw (PEF)",
    b"RICOH": "Pentax raw (PEF)",
    b"SAMSUNG": "Samsung raw (SRW)",
    b"CANON": "Canon raw (CR2)",
    b"HASSELBLAD": "Hasselblad raw (3FR)",
    b"EASTMAN KODAK": "Kodak raw (DCR)",
    b"KODAK": "Kodak raw (DCR)",
    b"SEIKO EPSON": "Epson raw (ERF)",
    b"MAMIYA": "Mamiya raw (MEF)",
    b"LEAF": "Leaf raw (MOS)",
    b"PHASE ONE": "Phase One raw (IIQ)",
}
"""Names of raw formats, by the beginning of the camera's maker (tag 271) in capitals."""
_OTHER = "camera raw"


def raw_format(file: BinaryIO) -> str | None:
    """Name of the raw format, for example `Nikon raw (NEF)`; None for an ordinary TIFF and for any other file.

    Nothing beyond the end of `file` is read: for the first bytes of a file, None only means that they do not tell.
    """
    head = file.read(16)
    file.seek(0)
    if (head[8:12] == b"IIII" and head[13:16] == b"waR") or (head[8:12] == b"MMMM" and head[12:15] == b"Raw"):
        return _MAKERS[b"PHASE ONE"]
    try:
        tiff = TiffFile(file)
        first = tiff.directory(tiff.first, max_fields=_MAX_FIELDS)
    except (OutOfReach, ValueError):
        return None
    if _DNG_VERSION in first.fields:
        return "Adobe DNG"
    maker = _maker(tiff, first)
    if _is_cr2(head, maker):
        return _MAKERS[b"CANON"]
    if any(_holds_sensor_data(tiff, directory) for directory in _directories(tiff, first)):
        return next((name for start, name in _MAKERS.items() if maker.startswith(start)), _OTHER)
    return None


def refuse_raw(path: Path) -> None:
    """Raise UnsupportedMediaType with the format's name for a raw file. The upload misses raw files with distant directories."""
    with path.open("rb") as file:
        if kind := raw_format(file):
            raise UnsupportedMediaType(f"This is a camera raw file: {kind}. Develop it, and send the result.")


def _is_cr2(head: bytes, maker: bytes) -> bool:
    """True for Canon's header: `CR`, version 2, and an offset of 16. In other TIFFs, pixels at that place may look like it."""
    return head[:8] == b"II*\0\x10\0\0\0" and head[8:11] == b"CR\x02" and maker.startswith(b"CANON")


def _maker(tiff: TiffFile, directory: Directory) -> bytes:
    try:
        return tiff.text(directory, _MAKE).strip().upper()
    except OutOfReach:
        return b""


def _directories(tiff: TiffFile, first: Directory) -> Iterator[Directory]:
    """The directories of the chain, each followed by its sub-directories, as far as they can be read."""
    left = _MAX_DIRECTORIES
    try:
        for at in tiff.chain(most=_MAX_DIRECTORIES):
            directory = first if at == tiff.first else tiff.directory(at, max_fields=_MAX_FIELDS)
            for found in (directory, *_subdirectories(tiff, directory, left - 1)):
                left -= 1
                yield found
            if left <= 0:
                return
    except OutOfReach:
        return


def _subdirectories(tiff: TiffFile, directory: Directory, most: int) -> Iterator[Directory]:
    try:
        places = tiff.places(directory, _SUBDIRECTORIES, most=_MAX_DIRECTORIES)
    except (OutOfReach, ValueError):
        return
    for at in places[:most]:
        with suppress(OutOfReach):
            yield tiff.directory(at, max_fields=_MAX_FIELDS)


def _holds_sensor_data(tiff: TiffFile, directory: Directory) -> bool:
    try:
        photometric, compression = tiff.number(directory, _PHOTOMETRIC), tiff.number(directory, _COMPRESSION)
    except OutOfReach:
        return False
    return photometric in _SENSOR_DATA or compression in _SENSOR_COMPRESSIONS

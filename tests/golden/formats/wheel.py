"""Formats and codecs of the libvips wheel, read from the library itself."""

import re
from functools import cache
from importlib.metadata import distribution, version
from pathlib import Path

import pyvips

_CODECS = {
    "libjpeg": rb"(mozjpeg|libjpeg-turbo) version ([0-9.]+)",
    "libpng": rb"\x00(1\.6\.[0-9]+)\x00",
    "zlib": rb"\x00([0-9.]+\.zlib-ng)\x00",
    "AV1 encoder": rb"AOMedia Project AV1 Encoder v([0-9.]+)",
    "AV1 decoder": rb"AOMedia Project AV1 Decoder v([0-9.]+)",
}
"""Patterns of codec versions in the data of the library.

libtiff, libwebp, libheif, lcms2, cgif and imagequant leave no version.
"""


@cache
def _library() -> bytes:
    wheel = distribution("pyvips-binary")
    name = next(file for file in wheel.files or () if file.name.startswith("libvips-"))
    return Path(str(wheel.locate_file(name))).read_bytes()


def versions() -> dict[str, str]:
    """Versions of the packages and of the codecs inside, if known."""
    packages = {name: version(name) for name in ("pyvips", "pyvips-binary")}
    libvips = ".".join(str(pyvips.version(part)) for part in range(3))
    return {**packages, "libvips": libvips, **{name: _version(pattern) for name, pattern in _CODECS.items()}}


def _version(pattern: bytes) -> str:
    found = re.search(pattern, _library())
    return " ".join(part.decode() for part in found.groups()) if found else "not told"


def features() -> dict[str, bool]:
    """Build options in libvips' own words: `HEIC/AVIF load/save with libheif`."""
    lines = re.findall(rb"^([A-Za-z0-9/ ]+ (?:with|using) [A-Za-z0-9 -]+): (true|false)", _library(), re.MULTILINE)
    return {name.decode(): value == b"true" for name, value in lines}


def operations(kind: str) -> list[str]:
    """The names of all of libvips' loaders (`VipsForeignLoad`) or savers (`VipsForeignSave`) that read or write files."""
    names: set[str] = set()

    def visit(gtype: int) -> None:
        children: list[int] = []

        def note(child: int, *_: object) -> object:
            children.append(child)
            return pyvips.ffi.NULL  # anything else would end the walk

        pyvips.type_map(gtype, note)
        for child in children:
            visit(child)
        name = pyvips.nickname_find(gtype)
        if re.fullmatch(r"[a-z0-9]+(load|save)", name):
            names.add(name)

    visit(pyvips.type_from_name(kind))
    return sorted(names)

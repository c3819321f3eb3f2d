"""TIFF compressions: their numbers and names, and those that the decoder supports."""

from internal.domain.errors import InvalidImage

NONE, LZW, JPEG, DEFLATE, PACKBITS = 1, 5, 7, 8, 32773
"""Compression: TIFF 6.0, TIFF Technical Note 2, Adobe."""
_CCITT, _SGI_LOG = (2, 3, 4, 32771), (34676, 34677)
_NEXT, _THUNDERSCAN, _OLD_DEFLATE, _WEBP = 32766, 32809, 32946, 50001
READABLE = frozenset({NONE, *_CCITT, LZW, JPEG, DEFLATE, _NEXT, PACKBITS, _THUNDERSCAN, _OLD_DEFLATE, *_SGI_LOG, _WEBP})
"""Compressions in the libtiff of pyvips-binary 8.18.7. Others decode to black unless `fail_on` stops it."""
BYTEWISE = frozenset({NONE, LZW, DEFLATE, PACKBITS, _OLD_DEFLATE})
"""Compressions that do not depend on the size of a sample."""
OTHERS = {
    6: "old-style JPEG",
    9: "JBIG (ITU-T T.85)",
    10: "JBIG (ITU-T T.43)",
    32908: "Pixar film",
    32909: "PixarLog",
    32947: "Kodak DCS",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    33007: "JPEG",
    34661: "JBIG",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG of a DNG",
    34925: "LZMA",
    34926: "Zstandard",
    34927: "WebP",
    34933: "PNG",
    34934: "JPEG XR",
    22610: "JPEG XR",
    50000: "Zstandard",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
"""Names of other compressions, written by libtiff, tifffile, microscopes and DNG converters."""


def require_readable(compression: int) -> None:
    """Raise InvalidImage with the compression's name if it is not supported."""
    if compression not in READABLE:
        name = OTHERS.get(compression, "an unknown scheme")
        raise InvalidImage(
            f"The TIFF is compressed with {name} (Compression {compression}), which can't be read. Save it with LZW or deflate."
        )

"""How a TIFF's pixels are compressed, and which of these schemes the decoder reads."""

from internal.errors import InvalidImage

NONE, LZW, JPEG, DEFLATE, PACKBITS = 1, 5, 7, 8, 32773
"""Compression: TIFF 6.0, TIFF Technical Note 2, Adobe."""
_CCITT, _SGI_LOG = (2, 3, 4, 32771), (34676, 34677)
_NEXT, _THUNDERSCAN, _OLD_DEFLATE, _WEBP = 32766, 32809, 32946, 50001
READABLE = frozenset({NONE, *_CCITT, LZW, JPEG, DEFLATE, _NEXT, PACKBITS, _THUNDERSCAN, _OLD_DEFLATE, *_SGI_LOG, _WEBP})
"""What the libtiff of pyvips-binary 8.18.7 is built with. Of all others libvips makes black, unless `fail_on` stops it."""
BYTEWISE = frozenset({NONE, LZW, DEFLATE, PACKBITS, _OLD_DEFLATE})
"""These don't mind how large a sample is said to be."""
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
"""The names of those that others write: libtiff, tifffile, microscopes, DNG."""


def require_readable(compression: int) -> None:
    """Raise InvalidImage, which names the scheme, for one that can't be read."""
    if compression not in READABLE:
        name = OTHERS.get(compression, "a scheme that is not known")
        raise InvalidImage(
            f"The TIFF is compressed with {name} (Compression {compression}), which can't be read. Save it with LZW or deflate."
        )

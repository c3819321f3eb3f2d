"""File kinds by their first bytes: the accepted formats, and many others that clients send.

A refusal names the other kinds and says what to do. The file's name and the client's Content-Type are ignored. Pure Python; only
the bytes that are passed are read.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Mapping
from io import BytesIO

from msgspec import Struct

from internal.pipeline.containers.camera_raw import raw_format
from internal.pipeline.containers.isobmff import Boxes, brands_of

CONVERT, DEVELOP, DRAW = "Convert it to", "Develop it, and send", "Draw it as"
PAGE, FRAME, UNPACK, SEND = "Export its page as", "Take a frame of it, and send", "Unpack it, and send each picture as", "Send"


class Kind(Struct, frozen=True):
    """A kind of file. `name` completes "This is"; `media_type` is None for a kind that is never accepted.

    `advice` says what to do with one that is refused; the list of formats follows it.
    """

    name: str
    media_type: str | None = None
    advice: str = CONVERT


JPEG = Kind("a JPEG picture", "image/jpeg")
PNG = Kind("a PNG picture", "image/png")
WEBP = Kind("a WebP picture", "image/webp")
GIF = Kind("a GIF picture", "image/gif")
TIFF = Kind("a TIFF picture", "image/tiff")
AVIF = Kind("an AVIF picture, which is taken only where HEIF_INPUT is on", "image/avif")
HEIC = Kind("an HEIC picture", "image/heic")
"""The advice does not name HEIF_INPUT: the libvips of the Python packages has no HEVC decoder."""

JPEG_2000 = Kind("a JPEG 2000 picture")
JPEG_XL = Kind("a JPEG XL picture")
OLYMPUS = Kind("an Olympus raw file (ORF)", advice=DEVELOP)
QUICKTIME = Kind("a QuickTime video", advice=FRAME)
MP4 = Kind("an MP4 video", advice=FRAME)
SVG = Kind("an SVG drawing", advice=DRAW)
HTML = Kind("an HTML page", advice=SEND)
XML = Kind("an XML document", advice=SEND)
JSON = Kind("JSON", advice=SEND)
TEXT = Kind("plain text", advice=SEND)
AS_TEXT = Kind("a file that was changed on its way, as by a program that took it for text", advice="Send the bytes as they are:")
ZEROS = Kind("a file that begins with nothing but zeros, as a broken copy does", advice=SEND)

_PREFIXES: Mapping[bytes, Kind] = {
    b"\xff\xd8\xff\xf7": Kind("a JPEG-LS picture"),
    b"\xff\xd8\xff": JPEG,
    b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI": Kind("an iOS app's own kind of PNG (CgBI)"),
    b"\x89PNG\r\n\x1a\n": PNG,
    b"GIF87a": GIF,
    b"GIF89a": GIF,
    b"\xff\x0a": JPEG_XL,
    b"\0\0\0\x0cJXL \r\n\x87\n": JPEG_XL,
    b"\0\0\0\x0cjP  \r\n\x87\n": JPEG_2000,
    b"\xff\x4f\xff\x51": JPEG_2000,
    b"II\xbc\x01": Kind("a JPEG XR picture"),
    b"8BPS\0\x01": Kind("a Photoshop document (PSD)"),
    b"8BPS\0\x02": Kind("a large Photoshop document (PSB)"),
    b"gimp xcf": Kind("a GIMP picture (XCF)"),
    b"Paint Shop Pro Image File\n": Kind("a Paint Shop Pro picture (PSP)"),
    b"id=ImageMagick": Kind("an ImageMagick picture (MIFF)"),
    b"SDPX": Kind("a DPX picture"),
    b"XPDS": Kind("a DPX picture"),
    b"XISF0100": Kind("an XISF picture"),
    b"\x06\x06\xed\xf5\xd8\x1d\x46\xe5": Kind("an InDesign document", advice=PAGE),
    b"{\\rtf": Kind("an RTF document", advice=PAGE),
    b"qoif": Kind("a QOI picture"),
    b"DDS ": Kind("a DirectDraw texture (DDS)"),
    b"\xabKTX ": Kind("a KTX texture"),
    b"\x76\x2f\x31\x01": Kind("an OpenEXR picture"),
    b"#?RADIANCE": Kind("a Radiance HDR picture"),
    b"#?RGBE": Kind("a Radiance HDR picture"),
    b"FLIF": Kind("a FLIF picture"),
    b"BPG\xfb": Kind("a BPG picture"),
    b"SIMPLE  =": Kind("a FITS picture"),
    b"\x8aMNG\r\n\x1a\n": Kind("an MNG animation"),
    b"\x8bJNG\r\n\x1a\n": Kind("a JNG picture"),
    b"icns": Kind("an Apple icon (ICNS)"),
    b"\x01\xda\0\x01": Kind("an SGI picture"),
    b"\x01\xda\x01\x01": Kind("an SGI picture"),
    b"\x59\xa6\x6a\x95": Kind("a Sun raster picture"),
    b"\x97JB2\r\n\x1a\n": Kind("a JBIG2 picture"),
    b"AT&TFORM": Kind("a DjVu document", advice=PAGE),
    b"/* XPM */": Kind("an XPM picture"),
    b"FUJIFILMCCD-RAW": Kind("a Fujifilm raw file (RAF)", advice=DEVELOP),
    b"IIRO": OLYMPUS,
    b"IIRS": OLYMPUS,
    b"MMOR": OLYMPUS,
    b"IIU\0": Kind("a Panasonic raw file (RW2)", advice=DEVELOP),
    b"II\x1a\0\0\0HEAPCCDR": Kind("a Canon raw file (CRW)", advice=DEVELOP),
    b"FOVb": Kind("a Sigma raw file (X3F)", advice=DEVELOP),
    b"\0MRM": Kind("a Minolta raw file (MRW)", advice=DEVELOP),
    b"%!PS": Kind("a PostScript document (EPS)", advice=DRAW),
    b"\xc5\xd0\xd3\xc6": Kind("a PostScript document (EPS)", advice=DRAW),
    b"\xd7\xcd\xc6\x9a": Kind("a Windows metafile (WMF)", advice=DRAW),
    b"\x1a\x45\xdf\xa3": Kind("a Matroska or WebM video", advice=FRAME),
    b"FLV\x01": Kind("a Flash video", advice=FRAME),
    b"\0\0\x01\xba": Kind("an MPEG video", advice=FRAME),
    b"\0\0\x01\xb3": Kind("an MPEG video", advice=FRAME),
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": Kind("a Windows Media video", advice=FRAME),
    b"OggS": Kind("an Ogg sound or video", advice=SEND),
    b"ID3": Kind("an MP3 sound", advice=SEND),
    b"fLaC": Kind("a FLAC sound", advice=SEND),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": Kind("an Office document", advice=PAGE),
    b"PK\x05\x06": Kind("an empty ZIP archive", advice=SEND),
    b"\x1f\x8b": Kind("a gzip archive", advice=UNPACK),
    b"BZh": Kind("a bzip2 archive", advice=UNPACK),
    b"\xfd7zXZ\0": Kind("an xz archive", advice=UNPACK),
    b"\x28\xb5\x2f\xfd": Kind("a Zstandard archive", advice=UNPACK),
    b"7z\xbc\xaf\x27\x1c": Kind("a 7-Zip archive", advice=UNPACK),
    b"Rar!\x1a\x07": Kind("a RAR archive", advice=UNPACK),
    b"\x7fELF": Kind("a program", advice=SEND),
    b"\0\x05\x16\x07": Kind("an AppleDouble file, which macOS writes beside a picture (its name begins with ._)", advice=SEND),
    b"\x89PNG": AS_TEXT,
    b"\xc2\x89PNG": AS_TEXT,
    b"\xef\xbf\xbdPNG": AS_TEXT,
    b"\xc3\xbf\xc3\x98\xc3\xbf": AS_TEXT,
    b"\xef\xbf\xbd\xef\xbf\xbd": AS_TEXT,
}
"""By how they begin; of two that both fit, the first counts."""

_RIFF = {
    b"WEBP": WEBP,
    b"AVI ": Kind("an AVI video", advice=FRAME),
    b"WAVE": Kind("a WAV sound", advice=SEND),
    b"ACON": Kind("an animated cursor (ANI)"),
}
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), HEIC),
    b"crx ": Kind("a Canon raw file (CR3)", advice=DEVELOP),
    b"jp2 ": JPEG_2000,
    b"jxl ": JPEG_XL,
    b"qt  ": QUICKTIME,
    **dict.fromkeys((b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"dash", b"M4V ", b"MSNV"), MP4),
    **dict.fromkeys((b"3gp4", b"3gp5", b"3gp6", b"3gp7", b"3g2a"), Kind("a 3GP video", advice=FRAME)),
    b"M4A ": Kind("an M4A sound", advice=SEND),
}
"""Kinds by a brand in the box `ftyp`, major or compatible."""
_HEIF_BRANDS = frozenset({b"mif1", b"mif2", b"msf1"})
_OTHER_HEIF = Kind("an HEIF picture of a codec that we do not know")
_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_ZIPPED = {
    b"mimetypeapplication/vnd.oasis": Kind("an OpenDocument file", advice=PAGE),
    b"mimetypeimage/openraster": Kind("an OpenRaster picture"),
    b"mimetypeapplication/x-krita": Kind("a Krita picture"),
    b"mimetypeapplication/epub": Kind("an EPUB book", advice=PAGE),
    b"[Content_Types].xml": Kind("an Office document", advice=PAGE),
}
_TEXTS: tuple[tuple[str, Kind], ...] = (
    (r"<svg[\s/>]|(<\?xml|<!--|<!(?i:doctype) svg).*<svg[\s/>]", SVG),
    (r"(?i)<(!doctype html|html|head|body)", HTML),
    (r"<", XML),
    (r"data:[a-z+/.-]+[;,]", Kind("a data URL", advice="Send the bytes that it stands for, as")),
    (r"(/9j/|iVBORw0KGgo|R0lGODlh|R0lGODdh|UklGR)[A-Za-z0-9+/]{8}", Kind("a picture in Base64", advice="Decode it, and send")),
    (r"version https://git-lfs", Kind("a pointer of Git LFS", advice="Send the file that it stands for, as")),
    (r"[{\[]\s*([\"{}\[\]\d-]|true|false|null)", JSON),
)
"""Kinds by the beginning of a text, after white space."""
_LOOKED_AT = 4096  # bytes of a text


def kind_of(head: bytes) -> Kind | None:
    """The kind of a file by `head`, its first 64 KiB or all of it; None if it is not known."""
    return _container(head) or _by_prefix(head) or _by_fields(head) or _text(head)


def _by_prefix(head: bytes) -> Kind | None:
    return next((kind for prefix, kind in _PREFIXES.items() if head.startswith(prefix)), None)


def _container(head: bytes) -> Kind | None:
    """Kinds that share their first bytes with others."""
    if head.startswith(_TIFF_HEADS):
        raw = raw_format(BytesIO(head))
        return raw_file(raw) if raw else TIFF
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head[4:8] in (b"moov", b"mdat", b"wide", b"pnot"):
        return QUICKTIME
    if head[:4] == b"PK\x03\x04":
        return next((kind for mark, kind in _ZIPPED.items() if mark in head[:200]), Kind("a ZIP archive", advice=UNPACK))
    return None


def raw_file(name: str) -> Kind:
    """The kind of a camera raw file. `name` is that of camera_raw."""
    return Kind(f"a camera raw file: {name}", advice=DEVELOP)


def _by_brand(head: bytes) -> Kind | None:
    brands = brands_of(head)
    known = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    if known:
        return next((kind for kind in known if kind.media_type), known[0])
    if not _HEIF_BRANDS.intersection(brands):
        return None
    codecs = Boxes(BytesIO(head)).codecs()
    return AVIF if b"av01" in codecs else HEIC if b"hvc1" in codecs else _OTHER_HEIF


def _by_fields(head: bytes) -> Kind | None:
    """Kinds that need more fields than the first bytes."""
    if head[:2] == b"BM" and head[6:10] == bytes(4) and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return Kind("a BMP picture")
    if head[:4] in (b"\0\0\x01\0", b"\0\0\x02\0") and 0 < int.from_bytes(head[4:6], "little") < 256 and head[9:10] == b"\0":
        return Kind("a Windows icon (ICO)" if head[2] == 1 else "a Windows cursor (CUR)")
    if re.match(rb"P([1-7]|[Ff])\s", head):
        return Kind("a Netpbm picture (PBM, PGM, PPM, PAM or PFM)")
    if re.match(rb"\x0a[\x00\x02-\x05]\x01[\x01\x02\x04\x08]", head):
        return Kind("a PCX picture")
    if head[2048:2055] == b"PCD_IPI":
        return Kind("a Photo CD picture")
    if head[128:132] == b"DICM":
        return Kind("a DICOM picture")
    if head[:4] == b"\1\0\0\0" and head[40:44] == b" EMF":
        return Kind("a Windows metafile (EMF)", advice=DRAW)
    if head[257:262] == b"ustar":
        return Kind("a tar archive", advice=UNPACK)
    if len(head) > 376 and {head[0], head[188], head[376]} == {0x47}:
        return Kind("an MPEG transport stream", advice=FRAME)
    if b"%PDF-" in head[:1024]:
        return Kind("a PDF document", advice=PAGE)
    if not head.strip(b"\0"):
        return ZEROS
    return Kind("a TGA picture") if _is_tga(head) else None


def _is_tga(head: bytes) -> bool:
    """True for a Truevision TGA. Its header has no magic bytes, so all of its fields are checked together."""
    if len(head) < 18 or head[1] > 1 or head[2] not in (1, 2, 3, 9, 10, 11) or (head[1] == 1) != (head[2] in (1, 9)):
        return False
    without_colours = head[1] == 1 or head[3:8] == bytes(5)
    width, height = int.from_bytes(head[12:14], "little"), int.from_bytes(head[14:16], "little")
    return without_colours and width > 0 and height > 0 and head[16] in (8, 15, 16, 24, 32) and head[17] & 0xC0 == 0


def _text(head: bytes) -> Kind | None:
    """Kinds of text: UTF-8, UTF-16 with a byte order mark, or mostly ASCII; no control characters except white space."""
    head = head[:_LOOKED_AT]
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        if sum(byte < 128 for byte in head) < len(head) * 0.8:
            return None
        text = head.decode("latin-1")
    if any(ord(letter) < 32 and not letter.isspace() for letter in text):
        return None
    start = text.lstrip()
    return next((kind for pattern, kind in _TEXTS if re.match(pattern, start, re.DOTALL)), TEXT)

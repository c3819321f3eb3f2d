"""Every kind of file is told by its first bytes, and a refusal names it and says what to do."""

import gzip
import io
import zipfile
from base64 import b64encode
from random import Random

import msgspec
import pytest
from PIL import Image

from internal.domain.errors import UnsupportedMediaType
from internal.intake import signatures
from internal.intake.inspect import HEIF_MEDIA_TYPES, MEDIA_TYPES, sniff_media_type
from internal.intake.signatures import kind_of
from tests import pictures, tiffs
from tests.integration.conftest import POLICY
from tests.raws import RAWS

WITH_HEIF = msgspec.structs.replace(POLICY, media_types=MEDIA_TYPES | HEIF_MEDIA_TYPES)


def ftyp(major: bytes, *others: bytes) -> bytes:
    """The first box of such a file, and the begin of the next."""
    return (16 + 4 * len(others)).to_bytes(4, "big") + b"ftyp" + major + bytes(4) + b"".join(others) + b"\0\0\0\x08free"


def zipped(name: str, content: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    return out.getvalue()


def saved(kind: str, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (20, 10), 90 if mode == "P" else (90, 80, 70)).save(out, kind)
    return out.getvalue()


def animated_png() -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:], duration=100)
    return out.getvalue()


TAKEN = [
    (pictures.jpeg(), "image/jpeg"),
    (pictures.jpeg(interlace=True), "image/jpeg"),
    (pictures.exif_jpeg(6), "image/jpeg"),
    (pictures.png(), "image/png"),
    (animated_png(), "image/png"),  # `filetype` 1.2.0 called it image/apng, and every one was refused
    (pictures.webp(), "image/webp"),
    (pictures.animated_webp(), "image/webp"),
    (pictures.gif(), "image/gif"),
    (b"GIF87a" + pictures.gif()[6:], "image/gif"),
    (pictures.tiff(), "image/tiff"),
    (pictures.tiff(bigtiff=True), "image/tiff"),  # `filetype` 1.2.0 did not know it
    *[
        (tiffs.written(tiffs.picture(pixel=b"CR\x02\0"), order=order, big=big), "image/tiff")
        for order in "<>"
        for big in (False, True)
    ],
    (pictures.avif(), "image/avif"),
    (ftyp(b"avif", b"mif1", b"miaf"), "image/avif"),
    (ftyp(b"avis", b"avif", b"msf1"), "image/avif"),  # `filetype` 1.2.0 did not know a sequence
    (ftyp(b"avif", b"avis", b"msf1"), "image/avif"),
    (ftyp(b"avis", b"msf1", b"iso8"), "image/avif"),
    (ftyp(b"mif1", b"miaf", b"avif"), "image/avif"),
    (ftyp(b"msf1", b"iso8", b"isom", b"avis"), "image/avif"),
    (ftyp(b"heic", b"mif1"), "image/heic"),
    (ftyp(b"heix", b"mif1"), "image/heic"),
    (ftyp(b"mif1", b"heic"), "image/heic"),
    (ftyp(b"msf1", b"hevc"), "image/heic"),
]


@pytest.mark.parametrize(("data", "media_type"), TAKEN, ids=[str(number) for number in range(len(TAKEN))])
def test_what_we_take_is_told(data: bytes, media_type: str) -> None:
    assert sniff_media_type(data, WITH_HEIF) == media_type


REFUSED = {
    "an iOS app's own kind of PNG (CgBI)": [b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI\x50\0\x20\x06"],
    "a JPEG XL picture": [b"\xff\x0a\xfa\x7f" + bytes(20), b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20), ftyp(b"jxl ")],
    "a JPEG 2000 picture": [saved("JPEG2000"), b"\xff\x4f\xff\x51" + bytes(20), ftyp(b"jp2 ")],
    "a JPEG-LS picture": [b"\xff\xd8\xff\xf7\0\x0b\x08"],
    "a JPEG XR picture": [b"II\xbc\x01\x08\0\0\0"],
    "a BMP picture": [saved("BMP")],
    "a Windows icon (ICO)": [saved("ICO")],
    "a Windows cursor (CUR)": [b"\0\0\2\0\1\0\x20\x20\0\0\0\0\0\0"],
    "an Apple icon (ICNS)": [b"icns\0\0\1\0"],
    "a Photoshop document (PSD)": [b"8BPS\0\1" + bytes(20)],
    "a large Photoshop document (PSB)": [b"8BPS\0\2" + bytes(20)],
    "a GIMP picture (XCF)": [b"gimp xcf v011\0"],
    "a Krita picture": [zipped("mimetype", "application/x-krita")],
    "an OpenRaster picture": [zipped("mimetype", "image/openraster")],
    "a Paint Shop Pro picture (PSP)": [b"Paint Shop Pro Image File\n\x1a\0\0"],
    "an ImageMagick picture (MIFF)": [b"id=ImageMagick  version=1.0\n"],
    "a DPX picture": [b"SDPX\0\0\x08\0", b"XPDS\0\x08\0\0"],
    "an XISF picture": [b"XISF0100\0\0"],
    "a Photo CD picture": [bytes(2048).replace(b"\0", b"\xff", 1) + b"PCD_IPI\0"],
    "an InDesign document": [b"\x06\x06\xed\xf5\xd8\x1d\x46\xe5"],
    "an RTF document": [b"{\\rtf1\\ansi"],
    "a QOI picture": [b"qoif\0\0\0\x14\0\0\0\x0a\3\0"],
    "a DirectDraw texture (DDS)": [b"DDS \x7c\0\0\0"],
    "a KTX texture": [b"\xabKTX 20\xbb\r\n\x1a\n", b"\xabKTX 11\xbb\r\n\x1a\n"],
    "an OpenEXR picture": [b"\x76\x2f\x31\x01\2\0\0\0"],
    "a Radiance HDR picture": [b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n", b"#?RGBE\n\n"],
    "a FLIF picture": [b"FLIF31"],
    "a BPG picture": [b"BPG\xfb\0\0"],
    "a FITS picture": [b"SIMPLE  =                    T"],
    "a DICOM picture": [bytes(128) + b"DICM" + bytes(20)],
    "an MNG animation": [b"\x8aMNG\r\n\x1a\n"],
    "a JNG picture": [b"\x8bJNG\r\n\x1a\n"],
    "an SGI picture": [saved("SGI")],
    "a Sun raster picture": [b"\x59\xa6\x6a\x95\0\0\0\x14"],
    "a PCX picture": [saved("PCX")],
    "a TGA picture": [saved("TGA"), saved("TGA", "P")],
    "a Netpbm picture (PBM, PGM, PPM, PAM or PFM)": [saved("PPM"), b"P4 8 8\n" + bytes(8), b"Pf\n8 8\n-1.0\n"],
    "a JBIG2 picture": [b"\x97JB2\r\n\x1a\n"],
    "an XPM picture": [b"/* XPM */\nstatic char * a[] = {"],
    "a DjVu document": [b"AT&TFORM\0\0\0\0DJVU"],
    **{f"a camera raw file: {name}": [data] for name, data in RAWS.items()},
    "a Fujifilm raw file (RAF)": [b"FUJIFILMCCD-RAW 0201"],
    "an Olympus raw file (ORF)": [b"IIRO\x08\0\0\0", b"IIRS\x08\0\0\0", b"MMOR\0\0\0\x08"],
    "a Panasonic raw file (RW2)": [b"IIU\0\x18\0\0\0"],
    "a Canon raw file (CRW)": [b"II\x1a\0\0\0HEAPCCDR\2\0"],
    "a Canon raw file (CR3)": [ftyp(b"crx ", b"crx ", b"isom")],
    "a Sigma raw file (X3F)": [b"FOVb\0\0\3\0"],
    "a Minolta raw file (MRW)": [b"\0MRM\0\0\1\0"],
    "an AVIF picture, which is taken only where HEIF_INPUT is on": [pictures.avif(), ftyp(b"avis", b"avif")],
    "an HEIC picture": [ftyp(b"heic", b"mif1")],
    "an HEIF picture of a codec that we do not know": [ftyp(b"mif1", b"miaf")],
    "an SVG drawing": [
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\xef\xbb\xbf\n<?xml version='1.0'?>\n<!-- drawn -->\n<!DOCTYPE svg>\n<svg width='1'></svg>",
        "<?xml version='1.0' encoding='utf-16'?><svg/>".encode("utf-16"),
    ],
    "an HTML page": [
        b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
        b"\n<html>",
        "<html>Nicht gefunden: Wörter".encode("latin-1"),
    ],
    "an XML document": [b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"],
    "JSON": [b'{"error": "not found"}', b" [1, 2]", b"{}", b"[ true ]"],
    "plain text": [
        b"hello",
        "Grüße".encode(),
        b"BM is a text too",
        "Grüße".encode("utf-16"),
        "Viele Grüße".encode("latin-1"),
        b"[Shortcut]",
    ],
    "a data URL": [b"data:image/png;base64,iVBORw0KGgo="],
    "a picture in Base64": [b64encode(pictures.png()), b64encode(pictures.jpeg()), b64encode(pictures.gif())],
    "a pointer of Git LFS": [b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"],
    "a PDF document": [b"%PDF-1.7\n", b"\r\n\r\n%PDF-1.4"],
    "a PostScript document (EPS)": [b"%!PS-Adobe-3.0 EPSF-3.0", b"\xc5\xd0\xd3\xc6\x1e\0\0\0"],
    "a Windows metafile (WMF)": [b"\xd7\xcd\xc6\x9a\0\0"],
    "a Windows metafile (EMF)": [b"\1\0\0\0\x6c\0\0\0" + bytes(32) + b" EMF"],
    "an Office document": [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", zipped("[Content_Types].xml")],
    "an OpenDocument file": [zipped("mimetype", "application/vnd.oasis.opendocument.text")],
    "an EPUB book": [zipped("mimetype", "application/epub+zip")],
    "a ZIP archive": [zipped("photo.jpg")],
    "an empty ZIP archive": [b"PK\x05\x06" + bytes(18)],
    "a gzip archive": [gzip.compress(b"<svg/>", mtime=0)],
    "a bzip2 archive": [b"BZh91AY"],
    "an xz archive": [b"\xfd7zXZ\0"],
    "a Zstandard archive": [b"\x28\xb5\x2f\xfd\x24"],
    "a 7-Zip archive": [b"7z\xbc\xaf\x27\x1c\0\4"],
    "a RAR archive": [b"Rar!\x1a\x07\x01\0"],
    "a tar archive": [b"photo.jpg".ljust(257, b"\0") + b"ustar\x0000"],
    "an MP4 video": [ftyp(b"isom", b"iso2", b"avc1", b"mp41"), ftyp(b"mp42")],
    "a QuickTime video": [ftyp(b"qt  "), b"\0\0\0\x08wide\0\0\0\x08mdat", b"\0\0\1\0moov"],
    "a 3GP video": [ftyp(b"3gp5")],
    "an M4A sound": [ftyp(b"M4A ")],
    "a Matroska or WebM video": [b"\x1a\x45\xdf\xa3\x93\x42\x82\x84webm"],
    "an AVI video": [b"RIFF\0\0\0\0AVI LIST"],
    "a Flash video": [b"FLV\x01\x05"],
    "an MPEG video": [b"\0\0\x01\xba\x44", b"\0\0\x01\xb3\x14"],
    "an MPEG transport stream": [(b"\x47" + bytes(187)) * 3],
    "a Windows Media video": [b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"],
    "an Ogg sound or video": [b"OggS\0"],
    "a WAV sound": [b"RIFF\0\0\0\0WAVEfmt "],
    "an MP3 sound": [b"ID3\x04"],
    "a FLAC sound": [b"fLaC\0"],
    "an animated cursor (ANI)": [b"RIFF\0\0\0\0ACON"],
    "a program": [b"\x7fELF\2"],
    "an AppleDouble file, which macOS writes beside a picture (its name begins with ._)": [b"\0\x05\x16\x07\0\2\0\0Mac OS X"],
    "a file that was changed on its way, as by a program that took it for text": [
        pictures.png().replace(b"\r\n", b"\n"),
        pictures.png().decode("latin-1").encode(),
        pictures.png().decode(errors="replace").encode(),
        pictures.jpeg().decode("latin-1").encode(),
        pictures.jpeg().decode(errors="replace").encode(),
    ],
    "a file that begins with nothing but zeros, as a broken copy does": [bytes(5000), b"\0"],
}

EXAMPLES = [(name, number) for name, several in REFUSED.items() for number in range(len(several))]


@pytest.mark.parametrize(("name", "number"), EXAMPLES)
def test_what_we_do_not_take_is_named(name: str, number: int) -> None:
    with pytest.raises(UnsupportedMediaType) as refused:
        sniff_media_type(REFUSED[name][number], POLICY)

    assert refused.value.detail.startswith(f"This is {name}. ")
    assert refused.value.detail.endswith(" a JPEG, PNG, WebP, GIF or TIFF.")


def test_every_kind_of_the_table_has_an_example_here() -> None:
    known = {
        *signatures._PREFIXES.values(),
        *signatures._RIFF.values(),
        *signatures._BRANDS.values(),
        *signatures._ZIPPED.values(),
    }
    known |= {kind for _, kind in signatures._TEXTS}

    assert {kind.name for kind in known if kind.media_type not in MEDIA_TYPES} - REFUSED.keys() == set()
    assert {kind.media_type for kind in known} - {None} == (MEDIA_TYPES | HEIF_MEDIA_TYPES) - {"image/tiff"}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\xff\x0a\xfa\x7f", "This is a JPEG XL picture. Convert it to a JPEG, PNG, WebP, GIF or TIFF."),
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI",
            "This is an iOS app's own kind of PNG (CgBI). Convert it to a JPEG, PNG, WebP, GIF or TIFF.",
        ),
        (b"%PDF-1.7", "This is a PDF document. Export its page as a JPEG, PNG, WebP, GIF or TIFF."),
        (b"<Error/>", "This is an XML document. Send a JPEG, PNG, WebP, GIF or TIFF."),
        (b"<svg/>", "This is an SVG drawing. Draw it as a JPEG, PNG, WebP, GIF or TIFF."),
        (ftyp(b"mp42"), "This is an MP4 video. Take a frame of it, and send a JPEG, PNG, WebP, GIF or TIFF."),
        (
            RAWS["Adobe DNG"],
            "This is a camera raw file: Adobe DNG. Develop it, and send a JPEG, PNG, WebP, GIF or TIFF.",
        ),
        (zipped("a.jpg"), "This is a ZIP archive. Unpack it, and send each picture as a JPEG, PNG, WebP, GIF or TIFF."),
        (ftyp(b"heic", b"mif1"), "This is an HEIC picture. Convert it to a JPEG, PNG, WebP, GIF or TIFF."),
        (b"\xfe\xed\xfa\xce" * 9, "This is not a picture of a kind that we take. Send a JPEG, PNG, WebP, GIF or TIFF."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_sentence_is_one_that_people_read(data: bytes, sentence: str) -> None:
    with pytest.raises(UnsupportedMediaType) as refused:
        sniff_media_type(data, POLICY)

    assert refused.value.detail == sentence


def test_what_is_taken_where_it_is_configured_is_in_the_sentence() -> None:
    with pytest.raises(UnsupportedMediaType, match=r"Send a JPEG, PNG, WebP, GIF, TIFF or AVIF\.$"):
        sniff_media_type(b"BM" + bytes(60), WITH_HEIF)


@pytest.mark.parametrize("junk", [b"\0", b"\n", b"\xff", b"\xef\xbb\xbf", b"--boundary\r\n\r\n"])
@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "tiff"])
def test_what_comes_before_a_picture_makes_it_none(junk: bytes, kind: str) -> None:
    picture: bytes = getattr(pictures, kind)()
    with pytest.raises(UnsupportedMediaType):
        sniff_media_type(junk + picture, POLICY)


@pytest.mark.parametrize("seed", range(300))
def test_any_bytes_are_told_or_not_and_nothing_is_raised(seed: int) -> None:
    random = Random(seed)
    start = random.choice([data for data, _ in TAKEN] + [data for several in REFUSED.values() for data in several])
    data = bytearray(start[: random.randrange(1, 200)])
    for _ in range(random.randrange(0, 20)):
        data[random.randrange(len(data))] = random.randrange(256)

    kind_of(bytes(data))

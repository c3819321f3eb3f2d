"""libvips' errors become ours, once, and carry no path."""

import errno
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pyvips

from internal.errors import DecoderOutOfMemory, InvalidImage, OutputTooLarge, UnsupportedMediaType

_NO_MEMORY = re.compile(r"out of memory|unable to allocate|cannot allocate|failed to allocate|no space left", re.IGNORECASE)
_FILE_TOO_LARGE = re.compile(r"file too large", re.IGNORECASE)
_NO_DECODER = re.compile(r"compression format has not been built in: (\w+)")
"""libheif's words for a codec that it knows and can't decode: HEVC in the wheel."""
_NOT_SUPPORTED = re.compile(r"unsupported|not supported|not implemented", re.IGNORECASE)
_NUMBERS = re.compile(r" *\(\d+\.\d+\)$")
"""libheif's numbers of an error, behind its words."""


class _File(NamedTuple):
    """A kind of file. `reader`: who speaks in libvips when it is at fault; where nobody does, pyvips names the loader."""

    name: str
    reader: re.Pattern[str]


_FILES = {
    "image/jpeg": _File("JPEG", re.compile(r"VipsJpeg|.*jpegload")),
    "image/png": _File("PNG", re.compile(r"vipspng|.*pngload")),
    "image/webp": _File("WebP", re.compile(r"webp$|webp2vips|.*webpload")),
    "image/gif": _File("GIF", re.compile(r".*gifload")),
    "image/tiff": _File("TIFF", re.compile(r"(?!.*save)")),  # libtiff has many names for itself
    "image/avif": _File("AVIF", re.compile(r"heif$|.*heifload|/")),
    "image/heic": _File("HEIC", re.compile(r"heif$|.*heifload|/")),
}


@contextmanager
def errors_translated(media_type: str) -> Iterator[None]:
    """Around all that computes: a picture that is read row by row shows what is wrong with it as late as in the encoder.

    `media_type`: of the file that is read. Raises DecoderOutOfMemory, OutputTooLarge, UnsupportedMediaType and InvalidImage.
    """
    try:
        yield
    except pyvips.Error as error:
        message = f"{error.message} {error.detail}"
        if _NO_MEMORY.search(message):
            raise DecoderOutOfMemory from error
        if _FILE_TOO_LARGE.search(message):
            raise OutputTooLarge from error
        if codec := _NO_DECODER.search(message):
            detail = f"The picture is coded as {codec[1]}, for which this service has no decoder. Convert it to a JPEG."
            raise UnsupportedMediaType(detail) from error
        raise InvalidImage(_sentence(error, _FILES[media_type])) from error
    except UnicodeDecodeError as error:  # pyvips wants UTF-8, and libvips quotes the file
        raise InvalidImage(f"The {_FILES[media_type].name} file is cut short or damaged.") from error
    except MemoryError as error:
        raise DecoderOutOfMemory from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.ENOMEM):
            raise DecoderOutOfMemory from error
        if error.errno == errno.EFBIG:
            raise OutputTooLarge from error
        raise


_DAMAGE = re.compile(
    r"read gave|tiff2vips: |Premature end of JPEG|to avoid buffer overrun|due to lack of data"
    r"|Premature EO[FL] at line|Line length mismatch at line|Corrupt JPEG data"
)
"""Words of libvips 8.18.7, libtiff and mozjpeg 5.0.0 that come with pixels that are made up. A JPEG's loader looks closer."""


class Warnings(logging.Handler):
    """Whether libvips has told of pixels that it made up, though it went on.

    Of a JPEG it warns when it closes the file, and what it says of it may be lost by then; of a TIFF it hands on what libtiff
    warns of.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard = False

    def emit(self, record: logging.LogRecord) -> None:
        self.note(record.getMessage())

    def note(self, message: str) -> None:
        self.heard |= _DAMAGE.search(message) is not None


@contextmanager
def warnings_heard() -> Iterator[Warnings]:
    """Around what opens files and closes them."""
    log, warnings = logging.getLogger("pyvips"), Warnings()
    log.addHandler(warnings)
    try:
        yield warnings
    finally:
        log.removeHandler(warnings)


def errors_left() -> str:
    """What libvips has noted as errors and gone on, which is forgotten then: pyvips forgets it with the next operation.

    It may quote a file, in any encoding.
    """
    left = bytes(pyvips.ffi.string(pyvips.vips_lib.vips_error_buffer())).decode(errors="replace")
    pyvips.vips_lib.vips_error_clear()
    return left


def _sentence(error: pyvips.Error, file: _File) -> str:
    """What the file is. libvips' own words are in it only where they say what the file has that can't be shown."""
    lines = [line.strip() for line in error.detail.splitlines() if ": " in line]  # libheif's words may go on in a second line
    speaker, _, words = (lines[-1] if lines else error.message).partition(": ")
    if not file.reader.match(speaker):
        return f"The picture can't be processed: {_plain(words)}."
    if file.name == "TIFF" or _NOT_SUPPORTED.search(words):
        return f"The {file.name} file is damaged, or of a kind that can't be decoded: {_plain(words)}."
    return f"The {file.name} file is cut short or damaged."


def _plain(words: str) -> str:
    """Without paths and numbers of ours or of libheif."""
    shown = " ".join(word for word in _NUMBERS.sub("", words).split() if "/" not in word)
    return shown[:200].rstrip(".") or "unknown fault"

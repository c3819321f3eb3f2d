"""Decode errors: translates libvips' errors into ours, once. Messages contain no paths."""

import errno
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pyvips

from internal.domain.errors import DecoderOutOfMemory, InvalidImage, OutputTooLarge, UnsupportedMediaType

_NO_MEMORY = re.compile(r"out of memory|unable to allocate|cannot allocate|failed to allocate|no space left", re.IGNORECASE)
_FILE_TOO_LARGE = re.compile(r"file too large", re.IGNORECASE)
_NO_DECODER = re.compile(r"compression format has not been built in: (\w+)")
"""libheif's message for a codec without a decoder: HEVC in the wheel."""
_NOT_SUPPORTED = re.compile(r"unsupported|not supported|not implemented", re.IGNORECASE)
_ERROR_NUMBERS = re.compile(r" *\(\d+\.\d+\)$")
"""libheif's error numbers at the end of a message."""


class _File(NamedTuple):
    """A file format. `reader` matches the domain of libvips' message about a damaged file, or the loader that pyvips names."""

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
def translate_errors(media_type: str) -> Iterator[None]:
    """Context for everything that computes: pixels stream, so damage may show as late as in the encoder.

    `media_type` is that of the file being read. Raises DecoderOutOfMemory, OutputTooLarge, UnsupportedMediaType and InvalidImage.
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
        raise InvalidImage(_describe(error, _FILES[media_type])) from error
    except UnicodeDecodeError as error:  # pyvips expects UTF-8, but libvips quotes bytes of the file
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
"""Warnings of libvips 8.18.7, libtiff and mozjpeg 5.0.0 that mean invented pixels. The JPEG loader checks more closely."""


class Warnings(logging.Handler):
    """Log handler that records whether libvips warned of invented pixels. `damage` is True if it did.

    For a JPEG, libvips warns when it closes the file, and the details may be lost by then. For a TIFF it forwards libtiff's
    warnings.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.damage = False

    def emit(self, record: logging.LogRecord) -> None:
        self.check(record.getMessage())

    def check(self, message: str) -> None:
        self.damage |= _DAMAGE.search(message) is not None


@contextmanager
def capture_warnings() -> Iterator[Warnings]:
    """Context that records libvips' warnings. It must contain the opening and the closing of files."""
    log, warnings = logging.getLogger("pyvips"), Warnings()
    log.addHandler(warnings)
    try:
        yield warnings
    finally:
        log.removeHandler(warnings)


def drain_error_buffer() -> str:
    """The content of libvips' error buffer, which is then cleared: errors after which libvips went on.

    pyvips clears the buffer with the next operation. The text may quote bytes of a file in any encoding.
    """
    content = bytes(pyvips.ffi.string(pyvips.vips_lib.vips_error_buffer())).decode(errors="replace")
    pyvips.vips_lib.vips_error_clear()
    return content


def _describe(error: pyvips.Error, file: _File) -> str:
    """A sentence for the client. It quotes libvips only where the message names an unsupported feature of the file."""
    lines = [
        line.strip() for line in error.detail.splitlines() if ": " in line
    ]  # libheif's message may continue on a second line
    domain, _, message = (lines[-1] if lines else error.message).partition(": ")
    if not file.reader.match(domain):
        return f"The picture can't be processed: {_without_paths(message)}."
    if file.name == "TIFF" or _NOT_SUPPORTED.search(message):
        return f"The {file.name} file is damaged, or of a kind that can't be decoded: {_without_paths(message)}."
    return f"The {file.name} file is cut short or damaged."


def _without_paths(message: str) -> str:
    """The message without paths and without libheif's error numbers."""
    shown = " ".join(word for word in _ERROR_NUMBERS.sub("", message).split() if "/" not in word)
    return shown[:200].rstrip(".") or "unknown error"

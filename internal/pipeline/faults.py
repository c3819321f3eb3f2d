"""libvips' errors become ours, once, and carry no path."""

import errno
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyvips

from internal.errors import DecoderOutOfMemory, InvalidImage, OutputTooLarge, UnsupportedMediaType

_NO_MEMORY = re.compile(r"out of memory|unable to allocate|cannot allocate|failed to allocate|no space left", re.IGNORECASE)
_FILE_TOO_LARGE = re.compile(r"file too large", re.IGNORECASE)
_NO_DECODER = re.compile(r"compression format has not been built in: (\w+)")
"""libheif's words for a codec that it knows and can't decode: HEVC in the wheel."""


@contextmanager
def errors_translated() -> Iterator[None]:
    """Around all that computes: a picture that is read row by row shows what is wrong with it as late as in the encoder.

    Raises DecoderOutOfMemory, OutputTooLarge, UnsupportedMediaType and InvalidImage.
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
        raise InvalidImage(f"The picture can't be decoded: {_reason(message)}.") from error
    except UnicodeDecodeError as error:  # pyvips wants UTF-8, and libvips quotes the file
        raise InvalidImage("The picture can't be decoded.") from error
    except MemoryError as error:
        raise DecoderOutOfMemory from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.ENOMEM):
            raise DecoderOutOfMemory from error
        if error.errno == errno.EFBIG:
            raise OutputTooLarge from error
        raise


class Warnings(logging.Handler):
    """Whether libvips has warned of a file. It does so when it closes a JPEG, and what it says of it may be lost by then."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard = False

    def emit(self, record: logging.LogRecord) -> None:
        self.heard |= "read gave" in record.getMessage()


@contextmanager
def warnings_heard() -> Iterator[Warnings]:
    """Around what opens files and closes them."""
    log, warnings = logging.getLogger("pyvips"), Warnings()
    log.addHandler(warnings)
    try:
        yield warnings
    finally:
        log.removeHandler(warnings)


def _reason(message: str) -> str:
    """libvips' last word on it, without names of ours."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    last = lines[-1] if lines else "unknown fault"
    words = [word for word in last.split(": ", 1)[-1].split() if "/" not in word]
    return " ".join(words)[:200].rstrip(".") or "unknown fault"

"""A multipart body, read in whatever pieces it comes: RFC 2046, section 5.1, as RFC 7578 uses it for forms.

INVARIANT: what comes out of a body does not depend on how its bytes arrive
(tests/unit/api/test_multipart.py::test_every_way_to_cut_a_body_gives_the_same).

It is our own because the package `multipart` (2.0.1) refuses white space behind a boundary, headers that are not UTF-8 and a
part without a blank line before its end, all of which lawful clients send.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto

from msgspec import Struct

MAX_HEADER_BYTES = 16 * 1024
"""Of all the header fields of one part: a name of 255 characters, written three ways, needs less."""

_BOUNDARY = re.compile(r"[ -~]{1,1024}")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PADDING = re.compile(rb"[ \t]*")
_FOLD = re.compile(r"\r\n(?=[ \t])")


class MultipartError(ValueError):
    """The body is no multipart body. The message says in what."""


class PartHead(Struct, frozen=True):
    """The beginning of a part: its header fields, names in lower case, values as Latin-1, which is one character a byte."""

    headers: dict[str, str]


Event = PartHead | bytes | None
"""A part's head, then its content in pieces that are not empty, then None."""


class _State(Enum):
    PREAMBLE = auto()
    BEHIND_BOUNDARY = auto()
    HEAD = auto()
    CONTENT = auto()
    EPILOGUE = auto()


class MultipartReader:
    """Push parser: takes bytes, gives events. Of what it was given it holds one boundary, or one part's head, and no more.

    A boundary is CRLF, `--` and its name. What stands before the body, and before a part's content, counts as the end of a line:
    there the CRLF is `_borrowed`, and is not part of the content if no boundary follows it.
    """

    def __init__(self, boundary: str) -> None:
        """Raises MultipartError for a text that can't be a boundary."""
        if not _BOUNDARY.fullmatch(boundary):
            raise MultipartError("its boundary is no printable ASCII text of 1 to 1024 characters")
        self._boundary = b"\r\n--" + boundary.encode("ascii")
        self._state = _State.PREAMBLE
        self._held = b"\r\n"
        self._borrowed = 2
        self._padded = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events in `data`, the bytes that come next. Exhaust it before the next call. Raises MultipartError."""
        data = self._held + data if self._held else data
        at: int | None = 0
        while at is not None:
            done = at
            events, at = self._step(data, done)
            yield from events
        self._held = data[done:]

    def close(self) -> None:
        """The body has ended. Raises MultipartError when its last boundary has not come."""
        if self._state == _State.PREAMBLE:
            raise MultipartError("its boundary never comes")
        if self._state != _State.EPILOGUE:
            raise MultipartError("it ends before its last boundary")

    def _step(self, data: bytes, at: int) -> tuple[tuple[Event, ...], int | None]:
        """The events up to the next change of state, and where that is; None when more bytes are needed.

        Bytes before the last place that was returned are done with; those behind it are given again, with more.
        """
        match self._state:
            case _State.PREAMBLE | _State.CONTENT:
                return self._content(data, at)
            case _State.BEHIND_BOUNDARY:
                return (), self._behind_boundary(data, at)
            case _State.HEAD:
                return self._head(data, at)
            case _State.EPILOGUE:
                return (), len(data) if at < len(data) else None

    def _content(self, data: bytes, at: int) -> tuple[tuple[Event, ...], int | None]:
        found = data.find(self._boundary, at)
        end = found if found >= 0 else self._surely_content(data, at)
        content = data[at + self._borrowed : end]
        inside = self._state == _State.CONTENT
        events: tuple[Event, ...] = (content,) if inside and content else ()
        if end > at:
            self._borrowed = 0
        if found < 0:
            return events, end if end > at else None
        self._borrowed, self._padded = 0, False
        self._state = _State.BEHIND_BOUNDARY
        return (*events, None) if inside else events, found + len(self._boundary)

    def _surely_content(self, data: bytes, at: int) -> int:
        """Where the content ends of which no boundary can be a part. A boundary has one CR, at its beginning."""
        last = data.rfind(b"\r", max(at, len(data) - len(self._boundary) + 1))
        return last if last >= 0 and self._boundary.startswith(data[last:]) else len(data)

    def _behind_boundary(self, data: bytes, at: int) -> int | None:
        """`--`, which ends the body, or the end of the line; white space may stand before that (RFC 2046: transport padding)."""
        if not self._padded and data.startswith(b"--", at):
            self._state = _State.EPILOGUE
            return at + 2
        end = _PADDING.match(data, at).end()  # type: ignore[union-attr]  # matches anywhere
        if end > at:
            self._padded = True
            return end
        if data.startswith(b"\r\n", at):
            self._state = _State.HEAD
            return at
        if len(data) - at < 2 and data[at:] in (b"", b"\r", b"" if self._padded else b"-"):
            return None
        raise MultipartError("a boundary is followed by something else than the end of its line")

    def _head(self, data: bytes, at: int) -> tuple[tuple[Event, ...], int | None]:
        """The fields between the boundary's CRLF, where it begins, and the blank line."""
        end = data.find(b"\r\n\r\n", at)
        if (end if end >= 0 else len(data) - 3) - at > MAX_HEADER_BYTES:  # three bytes of the blank line may be here already
            raise MultipartError(f"a part has more than {MAX_HEADER_BYTES} bytes of headers")
        if end < 0:
            return (), None
        self._state, self._borrowed = _State.CONTENT, 2
        return (PartHead(_fields(data[at + 2 : end])),), end + 2


def _fields(lines: bytes) -> dict[str, str]:
    """Header fields by name, the first of each. Raises MultipartError."""
    fields: dict[str, str] = {}
    for line in _FOLD.sub("", lines.decode("latin-1")).split("\r\n") if lines else ():
        name, colon, value = line.partition(":")
        if not colon or not _FIELD_NAME.fullmatch(name.strip(" \t")):
            raise MultipartError("a part has a header line that is not `name: value`")
        if "\r" in value or "\n" in value:
            raise MultipartError("a part has a header with a line break in it")
        fields.setdefault(name.strip(" \t").lower(), value.strip(" \t"))
    return fields

"""A multipart body, read in whatever pieces it comes: RFC 2046, section 5.1, as RFC 7578 uses it for forms.

INVARIANT: what comes out of a body does not depend on how its bytes arrive
(tests/unit/api/test_multipart.py::test_every_way_to_cut_a_body_gives_the_same).

It is our own because the package `multipart` (2.0.1) refuses white space behind a boundary, headers that are not UTF-8 and a
part without a blank line before its end, all of which lawful clients send.
"""

import re
from collections.abc import Callable, Iterator

from msgspec import Struct

MAX_HEADER_BYTES = 16 * 1024
"""Of all the header fields of one part: a name of 255 characters, written three ways, needs less."""

_BOUNDARY = re.compile(r"[ -~]{1,1024}")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PADDING = re.compile(rb"[ \t]+")
_FOLD = re.compile(r"\r\n(?=[ \t])")


class MultipartError(ValueError):
    """The body is no multipart body. The message says in what."""


class PartHead(Struct, frozen=True):
    """The beginning of a part: its header fields, names in lower case, values as Latin-1, which is one character a byte."""

    headers: dict[str, str]


Event = PartHead | bytes | None
"""A part's head, then its content in pieces that are not empty, then None."""

_Step = tuple[tuple[Event, ...], int | None]
_State = Callable[["MultipartReader", bytes, int], _Step]


class MultipartReader:
    """Push parser: takes bytes, gives events. Of what it was given it holds one boundary, or one part's head, and no more.

    A boundary is CRLF, `--` and its name. What stands before the body, and before a part's content, counts as the end of a line:
    there the CRLF is `_line_start`, and is not part of the content if no boundary follows it.
    """

    def __init__(self, boundary: str) -> None:
        """Raises MultipartError for a text that can't be a boundary."""
        if not _BOUNDARY.fullmatch(boundary):
            raise MultipartError("its boundary is no printable ASCII text of 1 to 1024 characters")
        self._boundary = b"\r\n--" + boundary.encode("ascii")
        self._state: _State = MultipartReader._preamble  # of the class: a bound one would be a circle of references
        self._buffer = b"\r\n"
        self._line_start = 2
        self._padded = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events in `data`, the bytes that come next. Exhaust it before the next call. Raises MultipartError."""
        data = self._buffer + data if self._buffer else data
        done = 0
        at: int | None = 0
        while at is not None:
            done = at
            events, at = self._state(self, data, done)
            yield from events
        self._buffer = data[done:]

    def close(self) -> None:
        """The body has ended. Raises MultipartError when its last boundary has not come."""
        if self._state is MultipartReader._preamble:
            raise MultipartError("its boundary never comes")
        if self._state is not MultipartReader._epilogue:
            raise MultipartError("it ends before its last boundary")

    # What comes next: each reads from the place `at`, and returns events and the place up to which all is done with; or None for
    # the place, when it needs more bytes. Then the bytes from `at` on are given again, with more.

    def _preamble(self, data: bytes, at: int) -> _Step:
        return (), self._content(data, at)[1]

    def _content(self, data: bytes, at: int) -> _Step:
        found = data.find(self._boundary, at)
        end = found if found >= 0 else self._content_end(data, at)
        content = data[at + self._line_start : end]
        events: tuple[Event, ...] = (content,) if content else ()
        if found >= 0:
            self._line_start, self._padded = 0, False
            self._state = MultipartReader._after_boundary
            return (*events, None), found + len(self._boundary)
        if end == at:
            return (), None
        self._line_start = 0
        return events, end

    def _content_end(self, data: bytes, at: int) -> int:
        """Where the content ends of which no boundary can be a part. A boundary has one CR, at its beginning."""
        last = data.rfind(b"\r", max(at, len(data) - len(self._boundary) + 1))
        return last if last >= 0 and self._boundary.startswith(data[last:]) else len(data)

    def _after_boundary(self, data: bytes, at: int) -> _Step:
        """`--`, which ends the body, or the end of the line; white space may stand before that (RFC 2046: transport padding)."""
        if data.startswith(b"\r\n", at):
            self._state = MultipartReader._head
            return (), at
        if not self._padded and data.startswith(b"--", at):
            self._state = MultipartReader._epilogue
            return (), at + 2
        if data[at : at + 1] in (b" ", b"\t"):
            self._padded = True
            return (), _PADDING.match(data, at).end()  # type: ignore[union-attr]  # it begins here
        if len(data) - at < 2 and data[at:] in (b"", b"\r", b"" if self._padded else b"-"):
            return (), None
        raise MultipartError("a boundary is followed by something else than the end of its line")

    def _head(self, data: bytes, at: int) -> _Step:
        """The fields between the boundary's CRLF, where it begins, and the blank line."""
        end = data.find(b"\r\n\r\n", at, at + MAX_HEADER_BYTES + 4)
        if end >= 0:
            self._state, self._line_start = MultipartReader._content, 2
            return (PartHead(_fields(data[at + 2 : end])),), end + 2
        if len(data) - at >= MAX_HEADER_BYTES + 4:
            raise MultipartError(f"a part has more than {MAX_HEADER_BYTES} bytes of headers")
        return (), None

    def _epilogue(self, data: bytes, at: int) -> _Step:
        return (), len(data) if at < len(data) else None


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

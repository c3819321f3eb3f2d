"""Conditional and range requests for one representation: RFC 9110, sections 13 and 14. Pure: each case is a unit test."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from msgspec import Struct

from internal.objectstore.port import Span


class Representation(Struct, frozen=True):
    """What is being asked for: a strong `etag` with its quotes, when it was made, and its size in bytes."""

    etag: str
    modified: datetime
    size: int

    @property
    def last_modified(self) -> str:
        return format_datetime(self.modified.astimezone(UTC).replace(microsecond=0), usegmt=True)


class Decision(Struct, frozen=True):
    """What to send: 200 with all, 206 with `span`, 304 with nothing, 412, or 416."""

    status: int
    span: Span | None = None


def decide(representation: Representation, headers: Mapping[str, str]) -> Decision:
    """The answer to a GET or HEAD, in the order of RFC 9110, 13.2.2. `headers` has lower-case names."""
    if (wanted := headers.get("if-match")) is not None and not _listed(representation.etag, wanted, weak=False):
        return Decision(412)
    if (known := headers.get("if-none-match")) is not None:
        if _listed(representation.etag, known, weak=True):
            return Decision(304)
    elif _unmodified(representation, headers.get("if-modified-since")):
        return Decision(304)
    range_header = headers.get("range")
    if range_header is None or not _range_applies(representation, headers.get("if-range")):
        return Decision(200)
    return _ranged(range_header, representation.size)


def _listed(etag: str, header: str, *, weak: bool) -> bool:
    if header.strip() == "*":
        return True
    tags = [tag.strip() for tag in header.split(",")]
    return etag in ([tag.removeprefix("W/") for tag in tags] if weak else tags)


def _unmodified(representation: Representation, since: str | None) -> bool:
    date = _date(since)
    return date is not None and representation.modified.replace(microsecond=0) <= date


def _range_applies(representation: Representation, condition: str | None) -> bool:
    """If-Range: a strong tag that matches, or exactly the Last-Modified date."""
    if condition is None:
        return True
    if condition.strip().startswith(('"', "W/")):
        return condition.strip() == representation.etag
    return _date(condition) == representation.modified.replace(microsecond=0)


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError):  # what the parser raises for dates that can't be
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _ranged(header: str, size: int) -> Decision:
    """One range of bytes. Several, another unit or nonsense: the whole, which RFC 9110 allows for any Range."""
    unit, _, spec = header.partition("=")
    first, dash, last = spec.strip().partition("-")
    first, last = first.strip(), last.strip()
    if unit.strip().lower() != "bytes" or not dash or "," in spec or not (_digits(first) and _digits(last)) or not first + last:
        return Decision(200)
    if not first:
        start, stop = max(0, size - int(last)), size
        return Decision(206, Span(start, stop)) if int(last) and size else Decision(416)
    start, stop = int(first), min(size, int(last) + 1) if last else size
    if last and int(last) < start:
        return Decision(200)
    return Decision(206, Span(start, stop)) if start < size else Decision(416)


def _digits(text: str) -> bool:
    return not text or (text.isascii() and text.isdecimal() and len(text) <= 18)

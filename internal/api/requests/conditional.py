"""Conditional and range requests: RFC 9110, sections 13 and 14. Pure: each case is a unit test.

Every field is read as its grammar has it. One that is not of it counts as what can do no harm: a precondition that is to protect
(`If-Match`, `If-Range`) fails, and one that is to save bytes (`If-None-Match`, a date, `Range`) is ignored.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from litestar.datastructures import Headers
from msgspec import Struct

from internal.ports.object_store import ByteRange

FIELDS = ("if-match", "if-unmodified-since", "if-none-match", "if-modified-since", "range", "if-range")

PRECONDITIONS = FIELDS[:3]
"""Those that a method which changes something obeys."""

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_BETWEEN_TAGS = re.compile(r"[ \t]*(?:,[ \t]*)+")

_DAY, _MONTH = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)", "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_WEEKDAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_TIME = "[0-9]{2}:[0-9]{2}:[0-9]{2}"
_HTTP_DATE = re.compile(
    f"{_DAY}, [0-9]{{2}} {_MONTH} [0-9]{{4}} {_TIME} GMT"
    f"|(?P<two_digit_year>{_WEEKDAY}, [0-9]{{2}}-{_MONTH}-[0-9]{{2}} {_TIME} GMT)"
    f"|{_DAY} {_MONTH} [ 0-9][0-9] {_TIME} [0-9]{{4}}"
)

_ONE_RANGE = re.compile(r"([0-9]*)-([0-9]*)")
_MANY_DIGITS = 18
"""A number with more of them is larger than any picture; it needs not be read."""


class Representation(Struct, frozen=True):
    """The file that is asked for: a strong `etag` with its quotes, when it was made, and its size in bytes.

    `date_is_strong`: no other bytes have the same date, so that a range may be asked for by it (RFC 9110, 8.8.2.2).
    """

    etag: str
    modified: datetime
    size: int
    date_is_strong: bool = True

    @property
    def last_modified(self) -> str:
        """Never later than now: the database's clock may be ahead of this machine's (RFC 9110, 8.8.2.1)."""
        return format_datetime(min(self.modified, datetime.now(UTC)).astimezone(UTC).replace(microsecond=0), usegmt=True)


class Decision(Struct, frozen=True):
    """The response to send: 200 with all, 206 with `byte_range`, 304 with nothing, 412, or 416."""

    status: int
    byte_range: ByteRange | None = None


def conditions_of(headers: Headers) -> dict[str, str]:
    """The fields of a request that matter here, by lower-case name. One that comes several times is one list (RFC 9110, 5.3)."""
    return {name: ", ".join(values) for name in FIELDS if (values := headers.getall(name, []))}


def decide(representation: Representation, conditions: Mapping[str, str], method: str = "GET") -> Decision:
    """The answer to a GET or HEAD, in the order of RFC 9110, 13.2.2. Ranges are for GET alone (14.2)."""
    unmet = unmet_precondition([representation.etag], representation.modified, conditions, safe=True)
    if unmet is not None:
        return Decision(unmet)
    ranges = conditions.get("range")
    if method != "GET" or ranges is None or not _range_applies(representation, conditions.get("if-range")):
        return Decision(200)
    return _apply_range(ranges, representation.size)


def unmet_precondition(etags: Collection[str], modified: datetime, conditions: Mapping[str, str], *, safe: bool) -> int | None:
    """304 or 412 for what is there now, with these strong `etags`, `modified` last at this time; None when the request holds.

    `safe`: GET and HEAD. Another method takes no 304, and no notice of If-Modified-Since.
    """
    if (wanted := conditions.get("if-match")) is not None:
        if not _contains_tag(etags, wanted, weak=False):
            return 412
    elif (since := _date(conditions.get("if-unmodified-since"))) is not None and modified.replace(microsecond=0) > since:
        return 412
    if (known := conditions.get("if-none-match")) is not None:
        return (304 if safe else 412) if _contains_tag(etags, known, weak=True) else None
    since = _date(conditions.get("if-modified-since")) if safe else None
    return 304 if since is not None and modified.replace(microsecond=0) <= since else None


def _contains_tag(etags: Collection[str], field: str, *, weak: bool) -> bool:
    """Whether one of them is in the field, by weak or strong comparison (RFC 9110, 8.8.3.2). `*` is whatever is there."""
    if field.strip(" \t") == "*":
        return True
    try:
        return any(opaque in etags and (weak or not is_weak) for is_weak, opaque in list(_tags(field)))
    except ValueError:
        return False


def _tags(field: str) -> Iterator[tuple[bool, str]]:
    """Each tag of a list: whether it is weak, and its opaque part. A tag may have commas in it. Raises ValueError for no list."""
    text = field.strip(" \t,")
    at = 0
    while at < len(text):
        if (tag := _TAG.match(text, at)) is None:
            raise ValueError
        yield tag[1] is not None, tag[2]
        between = _BETWEEN_TAGS.match(text, tag.end())
        if between is None and tag.end() < len(text):
            raise ValueError
        at = between.end() if between else len(text)


def _range_applies(representation: Representation, condition: str | None) -> bool:
    """If-Range: a strong tag that matches, or exactly the Last-Modified date where that is strong."""
    if condition is None:
        return True
    if condition.startswith(('"', "W/")):
        return condition == representation.etag
    return representation.date_is_strong and _date(condition) == representation.modified.replace(microsecond=0)


def _date(text: str | None) -> datetime | None:
    """An HTTP-date in any of its three forms (RFC 9110, 5.6.7); None for anything else."""
    form = _HTTP_DATE.fullmatch(text or "")
    if form is None:
        return None
    try:
        date = parsedate_to_datetime(form[0])
        date = date if date.tzinfo else date.replace(tzinfo=UTC)  # asctime's form names no zone
        return date.replace(year=_full_year(date.year % 100)) if form["two_digit_year"] else date
    except ValueError:  # the 31st of February
        return None


def _full_year(two_digits: int) -> int:
    """More than fifty years ahead means the century before."""
    now = datetime.now(UTC).year
    year = now - now % 100 + two_digits
    return year - 100 if year > now + 50 else year


def _apply_range(field: str, size: int) -> Decision:
    """One range of bytes. Several, another unit, or what is no range: the whole, which RFC 9110 allows for any Range."""
    unit, _, listed = field.partition("=")
    ranges = [spec for item in listed.split(",") if (spec := item.strip(" \t"))]
    one = _ONE_RANGE.fullmatch(ranges[0]) if unit.lower() == "bytes" and len(ranges) == 1 else None
    if one is None or not (one[1] or one[2]):
        return Decision(200)
    first, last = (_number(digits) for digits in one.groups())
    if first is None:  # the last so many bytes
        return Decision(206, ByteRange(max(0, size - (last or 0)), size)) if last and size else Decision(416)
    if last is not None and last < first:
        return Decision(200)
    stop = size if last is None else min(size, last + 1)
    return Decision(206, ByteRange(first, stop)) if first < size else Decision(416)


def _number(digits: str) -> int | None:
    if not digits:
        return None
    return int(digits) if len(digits) <= _MANY_DIGITS else 10**_MANY_DIGITS

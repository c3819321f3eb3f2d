"""Content negotiation between a picture's files: RFC 9110, section 12.5.1, with one rule of our own.

WebP and AVIF are sent only if `Accept` names their type. Programs that send wildcards often can't show these, so they get the
fallback.
"""

from collections.abc import Iterator
from functools import lru_cache

import mimeparse

from internal.domain.rendition import Rendition, Result

MAX_ACCEPT = 1024
"""Longest Accept header that is parsed, in characters: parsing is quadratic, and browsers send a tenth of it."""

_Range = tuple[str, str, dict[str, str]]


def preferred(rendition: Rendition, result: Result, accept: str) -> Result:
    """`result`, or the one of its alternatives that the header names and ranks no lower. The highest ranked one wins."""
    if not rendition.alternatives or len(accept) > MAX_ACCEPT:
        return result
    ranges = _ranges(accept.lower())
    named = {f"{kind}/{subtype}" for kind, subtype, _ in ranges}
    others = [other for other in rendition.alternatives if other.content_type in named and _quality(other, ranges) > 0]
    return max(*others, result, key=lambda file: _quality(file, ranges)) if others else result


def _quality(result: Result, ranges: tuple[_Range, ...]) -> float:
    return float(mimeparse.quality_parsed(result.content_type, ranges))


@lru_cache(maxsize=256)
def _ranges(accept: str) -> tuple[_Range, ...]:
    """Browsers send the same few headers again and again."""
    return tuple(_parse_accept(accept))


def _parse_accept(accept: str) -> Iterator[_Range]:
    for text in accept.split(","):
        try:
            yield mimeparse.parse_media_range(text)
        except mimeparse.MimeTypeParseException:  # one bad range spoils none of the others
            continue

"""Negotiation between two files: RFC 9110, section 12.5.1; wildcards select the fallback."""

import pytest

from internal.api.requests.negotiation import MAX_ACCEPT, preferred
from internal.domain.ids import new_id
from internal.domain.rendition import Lane, Rendition, Result

JPEG, WEBP, AVIF = (Result(kind, "", 1, 1, 1, 1, f"image/{kind}") for kind in ("jpeg", "webp", "avif"))
CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
SAFARI = (
    "image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
)


def rendition(*alternatives: Result) -> Rendition:
    return Rendition(new_id(), new_id(), "default", "", "", Lane.FAST, result=JPEG, alternatives=alternatives)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", JPEG),
        ("*/*", JPEG),
        ("image/*", JPEG),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JPEG),
        ("image/jpeg", JPEG),
        ("image/webp", WEBP),
        ("IMAGE/WebP", WEBP),
        ("image/png, image/webp", WEBP),
        ("image/webp;q=0", JPEG),
        ("image/webp;q=0, */*", JPEG),
        ("image/webp;q=0.001", WEBP),
        ("image/webp;q=0.8, image/jpeg;q=0.9", JPEG),
        ("image/webp;q=0.8, image/*;q=0.9", JPEG),
        ("image/webp;q=0.9, image/*;q=0.9", WEBP),
        ("image/jpeg;q=0.5, image/webp;q=0.6", WEBP),
        ("image/jpeg;q=0, image/*", JPEG),
        ("image/avif", JPEG),
        ("nonsense, image/webp", WEBP),
        (";;,,=,image", JPEG),
        (CHROME, WEBP),
        (SAFARI, WEBP),
    ],
)
def test_the_modern_file_is_sent_if_accept_names_it_and_ranks_it_no_lower(accept: str, chosen: Result) -> None:
    assert preferred(rendition(WEBP), JPEG, accept) is chosen


def test_of_several_the_highest_ranked_wins() -> None:
    assert preferred(rendition(WEBP, AVIF), JPEG, "image/webp;q=0.8, image/avif") is AVIF


def test_a_single_file_is_everybodys() -> None:
    assert preferred(rendition(), JPEG, "image/webp") is JPEG


def test_a_header_without_end_is_not_read() -> None:
    """Reading takes the square of its length, and it is read where all requests wait."""
    assert preferred(rendition(WEBP), JPEG, "image/webp," + " " * MAX_ACCEPT) is JPEG

"""Conditional and range requests, case by case from RFC 9110."""

from datetime import UTC, datetime

import pytest

from internal.api.conditional import Decision, Representation, decide
from internal.objectstore.port import Span

MADE = datetime(2026, 3, 4, 5, 6, 7, 890, tzinfo=UTC)
PICTURE = Representation('"abc"', MADE, 100)
DATE = "Wed, 04 Mar 2026 05:06:07 GMT"


def test_last_modified_is_an_http_date() -> None:
    assert PICTURE.last_modified == DATE


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"if-none-match": '"abc"'}, 304),
        ({"if-none-match": 'W/"abc"'}, 304),
        ({"if-none-match": '"x", "abc"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"x"'}, 200),
        ({"if-modified-since": DATE}, 304),
        ({"if-modified-since": "Wed, 04 Mar 2026 05:06:06 GMT"}, 200),
        ({"if-modified-since": "yesterday"}, 200),
        ({"if-modified-since": "Mon, 01 Jan 99999999999 00:00:00 GMT"}, 200),
        ({"if-none-match": '"x"', "if-modified-since": DATE}, 200),  # the tag decides, the date is ignored
        ({"if-match": '"abc"'}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": '"x"'}, 412),
        ({"if-match": 'W/"abc"'}, 412),  # If-Match compares strongly
        ({"if-match": '"x"', "if-none-match": '"abc"'}, 412),
    ],
)
def test_conditions(headers: dict[str, str], status: int) -> None:
    assert decide(PICTURE, headers) == Decision(status)


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", Span(0, 1)),
        ("bytes=0-9", Span(0, 10)),
        ("bytes=90-", Span(90, 100)),
        ("bytes=90-999", Span(90, 100)),
        ("bytes=-10", Span(90, 100)),
        ("bytes=-999", Span(0, 100)),
        ("Bytes = 5-6", Span(5, 7)),
    ],
)
def test_a_range_is_a_part(header: str, span: Span) -> None:
    assert decide(PICTURE, {"range": header}) == Decision(206, span)


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", f"bytes={10**15}-"])
def test_a_range_behind_the_end_can_not_be_had(header: str) -> None:
    assert decide(PICTURE, {"range": header}) == Decision(416)


@pytest.mark.parametrize(
    "header", ["bytes=", "bytes=-", "bytes=a-b", "bytes=9-3", "bytes=0-1,5-6", "rows=0-1", "bytes", "bytes=0-²", "bytes=--1"]
)
def test_what_is_no_range_gets_the_whole(header: str) -> None:
    assert decide(PICTURE, {"range": header}) == Decision(200)


def test_an_empty_object_has_no_ranges() -> None:
    empty = Representation('"e"', MADE, 0)

    assert decide(empty, {"range": "bytes=0-"}) == Decision(416)
    assert decide(empty, {"range": "bytes=-5"}) == Decision(416)


@pytest.mark.parametrize(
    ("condition", "status"),
    [('"abc"', 206), ('"x"', 200), ('W/"abc"', 200), (DATE, 206), ("Wed, 04 Mar 2026 05:06:08 GMT", 200), ("nonsense", 200)],
)
def test_if_range_protects_against_mixing_two_pictures(condition: str, status: int) -> None:
    assert decide(PICTURE, {"range": "bytes=0-9", "if-range": condition}).status == status


def test_not_modified_comes_before_range() -> None:
    assert decide(PICTURE, {"range": "bytes=0-9", "if-none-match": '"abc"'}) == Decision(304)

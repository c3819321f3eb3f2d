"""Metadata: what comes is kept text for text; what JSON readers or PostgreSQL could not hold is refused, and says so."""

import json

import pytest

from internal.domain.errors import InvalidRequest
from internal.intake.idempotency import fingerprint
from internal.intake.metadata import MAX_DECIMALS, MAX_DEPTH, Metadata, read_metadata

KEPT = [
    "{}",
    '{"a": 1}',
    '{ "b" : [1,2,\t3 ],\r\n "a":null }',
    '{"a": 1e300, "b": -1E-300, "c": 1e+2, "d": 1.7976931348623157e308, "e": 5e-324}',
    '{"a": 1.0, "b": 1, "c": 1.10, "d": 100e-2, "e": 1E0}',
    '{"a": -0, "b": -0.0, "c": 0e5}',
    '{"a": 123456789012345678901234567890, "b": 18446744073709551616, "c": 0.1000000000000000055511151231257827}',
    '{"a": %s}' % ("9" * 308),
    '{"a": 1, "a": 2}',
    '{"a": "\\u00e9\u00e9 \\ud83d\\ude00\U0001f600 \\/ \\\\ud800 \u2028 \x7f"}',
    '{"\u00e9": "\ufdd0\ufffe", "": 1}',
    '{"a": 0.%s1}' % ("0" * 300),
]
REFUSED = [
    ("[1]", "not a JSON object"),
    ('"text"', "not a JSON object"),
    ("1e400", "1e400"),
    ("{", "not a JSON object: "),
    ('{"a": 1} x', "not a JSON object: "),
    ("{'a': 1}", "not a JSON object: "),
    ('{"a": "\n"}', "not a JSON object: "),
    ("\ufeff{}", "not a JSON object: "),
    ("\u00a0{}", "not a JSON object: "),
    ('{"a": NaN}', "NaN is no JSON"),
    ('{"a": -Infinity}', "-Infinity is no JSON"),
    ('{"a": 01}', "not a JSON object: "),
    ('{"a": 1e400}', "the number 1e400,"),
    ('{"a": [-1E309]}', "the number -1E309,"),
    ('{"a": 1e-400}', "the number 1e-400,"),
    ('{"a": 1e99999999999999999999}', "beyond what JSON readers can hold"),
    ('{"a": 0e-99999}', "the number 0e-99999,"),
    ('{"a": 0e99999999999999999999}', "the number 0e9"),
    ('{"a": %s}' % ("9" * 310), "the number 9{40},"),
    ('{"a": %s}' % ("9" * 5000), "the number 9{40},"),
    ('{"a": 0.%s}' % ("1" * (MAX_DECIMALS + 1)), r"the number 0\.1{38},"),
    ('{"a": "\\ud800"}', "half of a surrogate pair"),
    ('{"\\udc00\\ud800": 1}', "half of a surrogate pair"),
    ('{"a": ["x", {"b": "\\u0000"}]}', "U.0000"),
    ('{"\\u0000": 1}', "U.0000"),
    ('{"a": "\\u0000", "a": 1}', "U.0000"),
    ('{"a": {"b": "\\ud800"}, "a": 1}', "half of a surrogate pair"),
    ('{"a": {"\\udc00": 1}, "a": 1}', "half of a surrogate pair"),
    (f'{{"a": {"[" * MAX_DEPTH}1{"]" * MAX_DEPTH}, "a": 1}}', "nested deeper"),
    (f'{{"a": 1{"0" * MAX_DECIMALS}e-0000000{MAX_DECIMALS + 1}}}', "the number 1"),
]


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


@pytest.mark.parametrize("text", KEPT)
def test_it_is_kept_text_for_text(text: str) -> None:
    """msgspec 0.22 reads 1.10 as 1.1 and -0 as 0; PostgreSQL 18's jsonb gives 1e300 back as an integer of 301 digits."""
    assert read_metadata(text).text == text
    assert read_metadata(f"\r\n\t {text} \n").text == text


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_what_can_not_be_held_is_refused_and_named(text: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        read_metadata(text)


def test_so_deep_and_no_deeper() -> None:
    assert read_metadata(nested(MAX_DEPTH)).text == nested(MAX_DEPTH)
    for depth in (MAX_DEPTH + 1, 800, 100_000):
        with pytest.raises(InvalidRequest, match=f"deeper than {MAX_DEPTH} levels"):
            read_metadata(nested(depth))


def test_null_is_none() -> None:
    assert read_metadata(" null ") == Metadata()
    assert Metadata().text == "{}"


def test_a_fingerprint_is_of_what_it_means() -> None:
    """The same as those that were made of the decoded JSON before the text was kept: a retry may come after an upgrade."""
    texts = ('{"b": [1.5, 2, -0], "a": "\\u00e9"}', '{ "a":"\u00e9","b":[15e-1,2,0] }')
    assert {fingerprint((read_metadata(text).value,)) for text in texts} == {fingerprint(({"a": "\u00e9", "b": [1.5, 2, 0]},))}
    assert read_metadata('{"a": 1, "a": 2}').value == {"a": 2}
    for text in KEPT:
        assert fingerprint((read_metadata(text).value,)) == fingerprint((json.loads(text),))

"""The names of owners."""

import pytest

from internal.domain.owner import is_owner


@pytest.mark.parametrize("text", ["a", "user@example.org", "auth0|5f7c", "Müller & Söhne", "日本", "x" * 200])
def test_printable_names_are_owners(text: str) -> None:
    assert is_owner(text)


@pytest.mark.parametrize("text", ["", "x" * 201, "a\nb", "a\x00", "\x7f", "a\u200fb", "\ud800"])
def test_empty_long_and_unprintable_names_are_not(text: str) -> None:
    assert not is_owner(text)

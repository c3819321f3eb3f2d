"""A secret is shown by `reveal()` and by nothing else."""

import copy
import pickle
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from internal.runtime.secret import NO_SECRET, Secret

TEXT = "canary-5f2e91"


@dataclass
class Holder:
    secret: Secret


@pytest.mark.parametrize(
    "shown",
    [
        repr,
        str,
        "{}".format,
        "{0!s} {0!r}".format,
        "%s".__mod__,
        lambda secret: f"{secret}",
        lambda secret: repr([Holder(secret)]),
    ],
)
def test_nothing_shows_it(shown: Any) -> None:
    assert TEXT not in shown(Secret(TEXT))
    assert "set" in shown(Secret(TEXT))
    assert "empty" in shown(NO_SECRET)


@pytest.mark.parametrize(
    "written", [msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins, pickle.dumps, copy.deepcopy]
)
def test_it_is_not_serialized(written: Any) -> None:
    with pytest.raises(TypeError) as refused:
        written(Secret(TEXT))
    assert TEXT not in str(refused.value)


def test_it_is_what_it_was_made_of() -> None:
    assert Secret(TEXT).reveal() == TEXT
    assert Secret(TEXT) == Secret(TEXT) != Secret(TEXT[:-1])
    assert Secret(TEXT) != TEXT
    assert len({Secret(TEXT), Secret(TEXT), NO_SECRET}) == 2
    assert (bool(Secret(TEXT)), bool(NO_SECRET)) == (True, False)


def test_only_a_text_becomes_one() -> None:
    with pytest.raises(TypeError, match="expected a text, in quotes"):
        Secret(12345)  # type: ignore[arg-type]

"""What `imagectl status` says of an image."""

from typing import Any

import msgspec
import pytest

from internal.api.openapi import examples
from internal.cli.commands import _described
from internal.images.model import Status


@pytest.mark.parametrize(("orientation", "words"), [(None, "4000x3000  "), (1, "4000x3000  "), (6, "4000x3000, orientation 6  ")])
def test_an_original_that_is_turned_says_so(orientation: int | None, words: str) -> None:
    image: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(examples.image(Status.PROCESSED)))
    image["original"]["orientation"] = orientation

    assert words in _described(image)[1]


def test_a_service_from_before_is_understood() -> None:
    image: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(examples.image(Status.PROCESSED)))
    del image["original"]["orientation"]

    assert "4000x3000  " in _described(image)[1]

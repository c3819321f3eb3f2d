"""Output of imagectl for an image, and arguments that it refuses before any request."""

from argparse import Namespace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from internal.api.openapi import examples
from internal.cli.commands import _described, upload
from internal.cli.errors import EXIT_FAILED, UsageError
from internal.cli.service_client import ServiceClient
from internal.domain.status import Status


@pytest.mark.parametrize(("orientation", "words"), [(None, "4000x3000  "), (1, "4000x3000  "), (6, "4000x3000, orientation 6  ")])
def test_an_original_that_is_turned_says_so(orientation: int | None, words: str) -> None:
    image: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(examples.image(Status.PROCESSED)))
    image["original"]["orientation"] = orientation

    assert words in _described(image)[1]


def test_a_service_from_before_is_understood() -> None:
    image: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(examples.image(Status.PROCESSED)))
    del image["original"]["orientation"]

    assert "4000x3000  " in _described(image)[1]


class Failing:
    """A service on which every picture fails."""

    def upload(self, *_: Any, **__: Any) -> dict[str, Any]:
        image: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(examples.image(Status.FAILED)))
        return image

    def wait_until_final(self, _image_id: str, _seconds: float) -> dict[str, Any]:
        return self.upload()


def _args(**options: Any) -> Namespace:
    usual: dict[str, Any] = {
        "processing": None,
        "rendition": [],
        "metadata": None,
        "idempotency_key": None,
        "wait": 30.0,
        "json": False,
    }
    return Namespace(file=[Path("a.jpg")], **(usual | options))


def test_an_upload_that_fails_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    image = Failing().upload()
    error = image["renditions"][0]["error"]

    code = upload(cast("ServiceClient", Failing()), _args())

    told = capsys.readouterr()
    assert code == EXIT_FAILED
    assert len(told.out.splitlines()) == 1
    assert told.err == f"{image['id']}  {image['renditions'][0]['name']}: {error['code']}: {error['detail']}\n"


def test_a_rendition_that_is_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="--rendition a: given twice"):
        upload(cast("ServiceClient", Failing()), _args(rendition=["a=flip", "b=flop", "a=flop"]))

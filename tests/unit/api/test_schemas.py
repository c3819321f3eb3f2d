"""The bodies that clients read."""

from msgspec.structs import replace

from internal.api.openapi import examples
from internal.api.schemas import image_body
from internal.domain.errors import ServiceError
from internal.domain.rendition import Failure
from internal.domain.status import Status
from internal.pipeline.language.grammar import Grammar


def test_the_error_of_a_failed_rendition_says_what_to_do() -> None:
    """The worker stores what is wrong; the body adds the advice of the table of problems."""
    image = examples.stored_image(Status.FAILED)
    [failed] = image.renditions
    failed = replace(failed, failure=Failure(ServiceError.code, ServiceError().detail))

    error = image_body(replace(image, renditions=(failed,)), Grammar()).error

    assert error is not None
    assert error.detail == "Something went wrong on our side. Try again, and report the request id if it goes on."

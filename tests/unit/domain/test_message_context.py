"""The context of a message is what it was given, and travels in its headers."""

import structlog

from internal.domain.ids import new_id
from internal.domain.message import MessageContext
from internal.domain.rendition import Lane
from internal.domain.tasks import task_message


def test_a_request_id_comes_out_of_the_headers_as_it_went_in() -> None:
    context = MessageContext(request_id="abc-1")

    message = task_message(new_id(), Lane.FAST, context)

    assert message.headers == {"x-request-id": "abc-1"}
    assert MessageContext.of_headers(message.headers) == context


def test_without_a_request_there_is_no_header() -> None:
    assert MessageContext().headers() == {}
    assert MessageContext.of_headers({"more": "kept"}) == MessageContext(request_id=None)


def test_the_request_id_is_not_read_from_the_logger() -> None:
    with structlog.contextvars.bound_contextvars(request_id="the logger's"):
        assert task_message(new_id(), Lane.FAST, MessageContext()).headers == {}
        assert task_message(new_id(), Lane.FAST, MessageContext("the caller's")).headers == {"x-request-id": "the caller's"}

"""Answers to posts: made once, and the same bytes again when an Idempotency-Key asks for them."""

import msgspec
from litestar.response.base import ASGIResponse
from msgspec import Struct

from internal.api.schemas import image_body, image_path
from internal.domain.image import Image
from internal.domain.upload import Upload
from internal.pipeline.language.grammar import Grammar


class Answer(Struct, frozen=True):
    """What is kept for an Idempotency-Key: status, Location and the body's very bytes."""

    status: int
    location: str
    body: msgspec.Raw


def answer(status: int, image: Image | Upload, grammar: Grammar) -> bytes:
    body = msgspec.Raw(msgspec.json.encode(image_body(image, grammar)))
    return msgspec.json.encode(Answer(status, image_path(image.id), body))


def response(kept: bytes) -> ASGIResponse:
    made = msgspec.json.decode(kept, type=Answer)
    return ASGIResponse(body=bytes(made.body), status_code=made.status, headers={"location": made.location})

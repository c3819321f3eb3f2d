"""Responses to posts: rendered once, and sent again byte for byte for a repeated Idempotency-Key."""

import msgspec
from litestar.response.base import ASGIResponse
from msgspec import Struct

from internal.api.schemas import image_body, image_path
from internal.domain.image import Image
from internal.domain.upload import Upload
from internal.pipeline.language.grammar import Grammar


class StoredResponse(Struct, frozen=True):
    """The response that is stored for an Idempotency-Key: status, Location, and the bytes of the body."""

    status: int
    location: str
    body: msgspec.Raw


def render_image(status: int, image: Image | Upload, grammar: Grammar) -> bytes:
    body = msgspec.Raw(msgspec.json.encode(image_body(image, grammar)))
    return msgspec.json.encode(StoredResponse(status, image_path(image.id), body))


def to_response(rendered: bytes) -> ASGIResponse:
    stored = msgspec.json.decode(rendered, type=StoredResponse)
    return ASGIResponse(body=bytes(stored.body), status_code=stored.status, headers={"location": stored.location})

"""Reading a request: the image's id, the body, a few headers; and the open dependencies."""

from typing import Annotated, TypeVar
from uuid import UUID

import msgspec
from litestar.openapi.spec import Example
from litestar.params import PathParameter

from internal.api.requests.identity import owner_of
from internal.domain.errors import InvalidRequest, NotFound
from internal.domain.message import MessageContext
from internal.http.asgi import ApiRequest
from internal.intake.idempotency import IdempotencyKey
from internal.wiring.api import AppState

EXAMPLE_ID = "0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a"

ImageId = Annotated[
    str,
    PathParameter(
        description="The image's id, as the upload's answer has it.",
        schema_extra={"format": "uuid"},
        examples=[Example(id="id", value=EXAMPLE_ID)],
    ),
]
"""A text: a malformed id must be the same 404 as an unknown one."""

_Body = TypeVar("_Body")


MAX_KEY = 255


MAX_WAIT_SECONDS = 30.0


def state_of(request: ApiRequest) -> AppState:
    state: AppState = request.app.state.services
    return state


def message_context_of(request: ApiRequest) -> MessageContext:
    """The context of the messages that the request leads to: its id."""
    return MessageContext(request_id=request.scope["state"].get("request_id"))


def image_id_of(text: str) -> UUID:
    """The id in a path. Raises NotFound for a malformed id, as for an unknown one."""
    return id_of(text, NotFound())


def id_of(text: str, missing: NotFound) -> UUID:
    """The id in a path. Raises `missing` for a malformed one."""
    try:
        found = UUID(text)
    except ValueError as error:
        raise missing from error
    if str(found) != text.lower():
        raise missing
    return found


def idempotency_key_of(request: ApiRequest, route: str, lease_seconds: float) -> IdempotencyKey | None:
    """The Idempotency-Key header. Raises InvalidRequest when it is not 1 to 255 printable ASCII characters."""
    key: str | None = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise InvalidRequest(f"An Idempotency-Key has 1 to {MAX_KEY} printable ASCII characters.")
    return None if key is None else IdempotencyKey(owner_of(request), route, key, lease_seconds)


async def json_of(request: ApiRequest, kind: type[_Body]) -> _Body:
    """The body, which is JSON. Raises InvalidRequest when it is none, or not of this kind."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidRequest(f"The body can't be used: {error}.") from error


def chain_text(value: msgspec.Raw, name: str) -> str:
    """A chain in JSON as the grammar reads it: a text, or a list of texts or objects, which stays as it is written, so that an
    error's position is one in what was sent. Raises InvalidRequest, with the value's `name`, for anything else.
    """
    written = bytes(value)
    try:
        return written.decode("utf-8") if written.startswith(b"[") else msgspec.json.decode(written, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{name} is no chain, which is a text, or a list of texts or of objects.") from error


def wait_of(request: ApiRequest) -> float:
    """How long the client wants to wait, in seconds: `Prefer: wait=N` (RFC 7240), at most 30; 0 without it."""
    for preference in str(request.headers.get("prefer", "")).split(","):
        name, _, value = preference.split(";")[0].partition("=")
        if name.strip().lower() == "wait" and value.strip().strip('"').isdecimal():
            return min(float(value.strip().strip('"')), MAX_WAIT_SECONDS)
    return 0.0

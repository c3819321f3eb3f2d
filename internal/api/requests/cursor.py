"""A list's cursor: the position of a page's last item, opaque to clients."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from internal.domain.errors import InvalidRequest
from internal.domain.image import Image
from internal.domain.upload import Upload

Position = tuple[datetime, UUID]


def cursor_after(image: Image | Upload) -> str:
    return write_cursor((image.created_at.astimezone(UTC), image.id))


def parse_cursor(text: str) -> Position:
    """Raises InvalidRequest for a text that is no cursor."""
    position: Position = read_cursor(text, Position)
    return position


def write_cursor(position: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def read_cursor(text: str, kind: Any) -> Any:
    """The position in a cursor, a `kind`. Raises InvalidRequest for a text that is no cursor, or one of another list."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=kind)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise invalid_cursor() from error


def invalid_cursor() -> InvalidRequest:
    return InvalidRequest("This cursor is invalid: take `next_cursor` of the page before.")

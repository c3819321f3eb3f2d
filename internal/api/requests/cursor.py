"""A list's cursor: the position of a page's last image, opaque to clients."""

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from internal.domain.errors import InvalidRequest
from internal.domain.image import Image
from internal.domain.upload import Upload

Position = tuple[datetime, UUID]


def cursor_after(image: Image | Upload) -> str:
    position = msgspec.json.encode((image.created_at.astimezone(UTC), image.id))
    return base64.urlsafe_b64encode(position).decode().rstrip("=")


def parse_cursor(text: str) -> Position:
    """Raises InvalidRequest for a text that is no cursor."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        position: Position = msgspec.json.decode(raw, type=Position)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise InvalidRequest("This cursor is invalid: take `next_cursor` of the page before.") from error
    return position

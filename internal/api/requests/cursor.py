"""A list's cursor: the place of the last image of a page, in a form that clients hand back and don't look into."""

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from internal.domain.errors import InvalidRequest
from internal.domain.image import Image

Place = tuple[datetime, UUID]


def cursor_after(image: Image) -> str:
    place = msgspec.json.encode((image.created_at.astimezone(UTC), image.id))
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def read_cursor(text: str) -> Place:
    """Raises InvalidRequest for what no page gave out."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        place: Place = msgspec.json.decode(raw, type=Place)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise InvalidRequest("This is not a cursor of ours: take `next_cursor` of the page before.") from error
    return place

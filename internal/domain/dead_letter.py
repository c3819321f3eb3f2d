"""A dead letter: work that stopped for good, with its reason."""

from typing import Self
from uuid import UUID

from msgspec import Struct, field

from internal.domain.message import Channel, Message

UNREADABLE = "unreadable_message"
"""Code of a dead letter whose message could not be read out of the queue. Its body is what lies there, and no message."""


class DeadLetter(Struct, frozen=True):
    """A task that stopped for good, with where it came from and why. `headers` and `body` as they came from the queue.

    A message that no handler could take has no image; it has its `channel`, `type` and `key`, so that it can be sent again.
    """

    code: str
    detail: str
    source: str
    attempts: int
    image_id: UUID | None = None
    rendition: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    channel: Channel | None = None
    type: str = ""
    key: str = ""

    @classmethod
    def of_message(cls, message: Message, channel: Channel, *, code: str, detail: str, source: str) -> Self:
        """Of a message that nobody can take. `detail` may quote it: a NUL, which PostgreSQL keeps in no text, is replaced."""
        return cls(
            code=code,
            detail=detail.replace("\0", "\N{REPLACEMENT CHARACTER}"),
            source=source,
            attempts=1,
            headers=dict(message.headers),
            body=message.body,
            channel=channel,
            type=message.type,
            key=message.key,
        )

"""A dead letter: a task or message that failed for good, with the reason."""

from typing import Self
from uuid import UUID

from msgspec import Struct, field

from internal.domain.message import Channel, Message

UNREADABLE = "unreadable_message"
"""Code of a dead letter whose message could not be read from the queue. Its body is the raw record, and no message."""


class DeadLetter(Struct, frozen=True):
    """A task that failed for good: where it came from, why, and after how many attempts. `headers` and `body` as in the queue.

    A message that no handler could take has no image, but a `channel`, `type` and `key`, so that it can be sent again.
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
        """For a message that no handler can take. `detail` may quote it: NUL, which PostgreSQL's text can't hold, is replaced."""
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

"""Messages of the queue: a message, its channel and its context."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

from msgspec import Struct

REQUEST_ID_HEADER = "x-request-id"


class Channel(StrEnum):
    """The destination of a message. Adapters map it to a topic, or to a column."""

    FAST = "fast"
    SLOW = "slow"
    EVENTS = "events"
    DEAD_LETTERS = "dead_letters"


class Message(Struct, frozen=True):
    """`type` names the handler, `key` selects the partition, `headers` carry the context. `body` is opaque to the queue."""

    type: str
    key: str
    body: bytes
    headers: Mapping[str, str] = {}


class MessageContext(Struct, frozen=True):
    """The cause of a message: the id of the HTTP request that led to it, or None if no request did.

    It is passed from the API through the use case to the message, and from the message to whatever follows from it.
    """

    request_id: str | None = None

    @classmethod
    def of_headers(cls, headers: Mapping[str, str]) -> Self:
        """The context that a message's headers carry."""
        return cls(request_id=headers.get(REQUEST_ID_HEADER))

    def headers(self) -> dict[str, str]:
        """The context as headers of a message."""
        return {REQUEST_ID_HEADER: self.request_id} if self.request_id else {}


NO_REQUEST = MessageContext()
"""The context of work that no request led to, such as housekeeping's."""

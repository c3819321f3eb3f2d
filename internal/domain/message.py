"""What travels through the queue: a message and its channel."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct


class Channel(StrEnum):
    """Where a message goes. What an adapter makes of it (a topic, a column) is its own affair."""

    FAST = "fast"
    SLOW = "slow"
    EVENTS = "events"
    DEAD_LETTERS = "dead_letters"


class Message(Struct, frozen=True):
    """What travels: `type` names its handler, `key` keeps a partition, `headers` carry the request id; `body` is opaque here."""

    type: str
    key: str
    body: bytes
    headers: Mapping[str, str] = {}

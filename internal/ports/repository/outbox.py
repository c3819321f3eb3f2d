"""The contract of the outbox. What holds for all tables: repository.py."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from internal.domain.message import Channel, Message


class OutboxMessage(Struct, frozen=True):
    """A claimed outbox row."""

    id: int
    channel: Channel
    message: Message


class Outbox(Protocol):
    async def add(self, channel: Channel, message: Message, *, delay_seconds: float = 0) -> None:
        """Ask the relay to publish; a commit wakes it. Does nothing for a channel that goes nowhere in this deployment."""

    async def claim(self, channel: Channel, *, limit: int, lease_seconds: float) -> list[OutboxMessage]:
        """Take due rows for `lease_seconds`; another relay takes what is not `published` by then. Holds no lock afterwards."""

    async def published(self, ids: Sequence[int]) -> None:
        """Drop rows that the queue has."""

    async def postpone(self, ids: Sequence[int], *, seconds: float) -> None:
        """Let rows that the queue did not take wait."""

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
        """Insert a message for the relay; the commit wakes it. No-op for a channel that this deployment does not publish."""

    async def claim(self, channel: Channel, *, limit: int, lease_seconds: float) -> list[OutboxMessage]:
        """Claim due messages for `lease_seconds`; those not removed by then are due again. Holds no lock afterwards."""

    async def remove(self, ids: Sequence[int]) -> None:
        """Remove messages that the queue has, or that are dead letters now."""

    async def postpone(self, ids: Sequence[int], *, seconds: float) -> None:
        """Make messages that the queue did not take due again in `seconds`."""

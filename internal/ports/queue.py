"""Contract of the queue: at-least-once delivery of messages."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from internal.domain.message import Channel, Message


class Delivery(Struct, frozen=True):
    """A message that this process holds until it acknowledges or releases it.

    `source` is its place in the queue, for people and dead letters (`topic/partition/offset`, `queue_messages/id`). `tag`
    belongs to the adapter. `unreadable` is the reason why the adapter could not read the message, or None; the body of an
    unreadable message is the raw record.
    """

    message: Message
    channel: Channel
    source: str
    tag: object
    unreadable: str | None = None


class Positions(Struct, frozen=True):
    """Progress of a channel by partition.

    `ends` is the offset after the last published message; every message below `done` is acknowledged.
    """

    ends: Mapping[str, int]
    done: Mapping[str, int]

    def have_passed(self, earlier: "Positions") -> bool:
        """True if every message that had been published at the time of `earlier` is acknowledged."""
        return all(self.done.get(partition, end) >= end for partition, end in earlier.ends.items())


class Consumer(Protocol):
    """One process's subscription to a channel. It may hold several deliveries at once, and finish them in any order."""

    async def receive(self) -> Delivery:
        """Wait for the next message, also through an outage of the queue. Raises nothing except cancellation.

        No other consumer gets a message while this one holds it, and the queue does not evict a consumer that holds messages for
        a long time.
        """

    async def acknowledge(self, delivery: Delivery) -> None:
        """Mark the message as done. Never raises: if the queue can't record it now, the message is delivered again.

        After a crash the message may be delivered again even if it was acknowledged (at least once), and always is if it was
        not. A second call changes nothing.
        """

    async def release(self, delivery: Delivery) -> None:
        """Return the message to the queue, for any consumer, at the latest when this consumer closes. Never raises."""


class Queue(Protocol):
    """At-least-once message queue. Adapters: kafka, postgres. Contract: tests/contract/test_queue.py."""

    @property
    def exports(self) -> frozenset[Channel]:
        """The channels that this queue carries; both lanes always are. Any other channel raises ValueError."""

    async def publish(self, channel: Channel, message: Message) -> None:
        """Publish a message; it is durable when this returns. Raises QueueUnavailable after the configured time.

        After QueueUnavailable the message may or may not be in the queue: publish it again, consumers tolerate duplicates.
        Raises ValueError for a permanent failure: the broker will never accept this message (too large).
        """

    def consume(self, channel: Channel, *, slots: int) -> AbstractAsyncContextManager[Consumer]:
        """Open a consumer that prefetches up to about `slots` messages.

        It also delivers messages that were published before there was any consumer. Leaving the context releases every message
        that it holds.
        """

    async def check(self) -> None:
        """Raise QueueUnavailable if the queue does not answer, or if a consumer of this process restarts repeatedly."""

    async def lag(self, channel: Channel) -> int:
        """Return the number of messages that are published and not acknowledged, held ones included. Raises QueueUnavailable."""

    async def positions(self, channel: Channel) -> Positions:
        """Return the channel's current positions. They never decrease, unless the queue is recreated. Raises QueueUnavailable."""

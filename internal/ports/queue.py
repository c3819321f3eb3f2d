"""The queue's contract: one delivery at a time."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from internal.domain.message import Channel, Message


class Delivery(Struct, frozen=True):
    """A message in this process's hands until it is acknowledged or released.

    `source` says where it came from, for people and dead letters (`topic/partition/offset`, `queue_messages/id`); `tag` is
    the adapter's own. `unreadable`: why the adapter could not read the message, whose body is then what lies in the queue.
    """

    message: Message
    channel: Channel
    source: str
    tag: object
    unreadable: str | None = None


class Positions(Struct, frozen=True):
    """How far a channel is, by partition: `ends`, behind the last published message; `done`, below which all is acknowledged."""

    ends: Mapping[str, int]
    done: Mapping[str, int]

    def have_passed(self, earlier: "Positions") -> bool:
        """Whether everything is acknowledged that was published when `earlier` was asked for."""
        return all(self.done.get(partition, end) >= end for partition, end in earlier.ends.items())


class Consumer(Protocol):
    """One process's hold on a channel. Several of its deliveries may be in hand at once, and finish in any order."""

    async def receive(self) -> Delivery:
        """Wait for the next message. Waits through an outage of the queue; raises nothing but cancellation.

        While deliveries are in hand, however long, nobody else is given them and nobody evicts this consumer.
        """

    async def acknowledge(self, delivery: Delivery) -> None:
        """Say that the message is done. Never raises: what can't be told now is delivered again, here or elsewhere.

        A crash after this may deliver the message again (at least once); a crash before it always does. Twice is harmless.
        """

    async def release(self, delivery: Delivery) -> None:
        """Give the message back undone, for anybody to receive: at the latest when this consumer closes. Never raises."""


class Queue(Protocol):
    """At-least-once messages. Adapters: kafka, postgres. Contract: tests/contract/test_queue.py."""

    @property
    def exports(self) -> frozenset[Channel]:
        """The channels that lead somewhere: always both lanes. Publishing to or consuming another one raises ValueError."""

    async def publish(self, channel: Channel, message: Message) -> None:
        """Return when the queue has the message durably; raise QueueUnavailable within the configured time otherwise.

        After QueueUnavailable the message may or may not be there: publish it again, a duplicate is harmless. A message that the
        queue will never take (too large) raises ValueError.
        """

    def consume(self, channel: Channel, *, slots: int) -> AbstractAsyncContextManager[Consumer]:
        """Open a consumer that holds at most about `slots` undone messages ahead of the one that is received.

        Messages that were published before anybody consumed are delivered too. Leaving the context releases what is in hand.
        """

    async def check(self) -> None:
        """Raise QueueUnavailable unless the queue answers and this process's consumers keep on their feet."""

    async def lag(self, channel: Channel) -> int:
        """Messages of the channel that are published and not acknowledged, those in hand included. Raises QueueUnavailable."""

    async def positions(self, channel: Channel) -> Positions:
        """How far the channel is now. Raises QueueUnavailable. Positions of one queue only rise, unless it is made anew."""

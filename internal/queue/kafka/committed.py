"""The partitions of one consumer of the group: what is undone in each, and the commits that follow.

Commits are off the messages' path: one each 50 ms at most, with explicit offsets. aiokafka's auto-commit and its bare `commit()`
cover everything that was handed out, done or not. A commit that fails is made again with the next; a lost one means duplicates.
"""

import asyncio
from collections.abc import Callable, Set

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from msgspec import Struct

from internal.queue.kafka.offsets import PartitionOffsets

log = structlog.get_logger(__name__)

COMMIT_SECONDS = 0.05
COMMIT_TIMEOUT_SECONDS = 3.0


class GroupOffsets(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The accounts of the partitions that are ours, told of each rebalance by aiokafka.

    A rebalance revokes everything and then assigns anew. A partition that comes back keeps its account, so that its messages in
    hand are not given out a second time; of one that does not, what is in hand is forgotten here and delivered by its new owner.
    """

    def __init__(self, consumer: AIOKafkaConsumer, on_lost: Callable[[], None]) -> None:
        self._consumer = consumer
        self._on_lost = on_lost
        self._accounts: dict[TopicPartition, PartitionOffsets] = {}
        self._changed = asyncio.Event()

    def track(self, partition: TopicPartition, offset: int, last: int | None = None) -> "Ticket | None":
        """The place of a fetched message, which may stand for all records up to `last`; None when it is in hand already."""
        account = self._accounts.setdefault(partition, PartitionOffsets())
        return Ticket(self, partition, account, offset) if account.track(offset, last) else None

    def is_undone(self, tag: "Ticket") -> bool:
        """Whether the message is still ours to do: its partition was not taken away, and it is not done."""
        return self._accounts.get(tag.partition) is tag.account and tag.account.is_undone(tag.offset)

    def finish(self, tag: "Ticket") -> None:
        """Have it committed soon. Of a partition that was taken away the account is read by nobody: a no-op."""
        tag.account.finish(tag.offset)
        self._changed.set()

    async def run(self) -> None:
        """Commit what has changed until cancelled."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(COMMIT_SECONDS)  # one commit for all that finish meanwhile
            self._changed.clear()
            await self.commit()

    async def commit(self) -> None:
        """Commit everything that is done and below what is undone; raises nothing, takes 3 s at most."""
        ours = self._consumer.assignment()
        positions = {
            partition: position
            for partition, account in self._accounts.items()
            if partition in ours and (position := account.to_commit()) is not None
        }
        if not positions:
            return
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):  # aiokafka itself retries for ever
                await self._consumer.commit(positions)
        except (KafkaError, OSError) as error:  # TimeoutError is an OSError
            log.info("queue.commit_later", error=repr(error))
            self._changed.set()
            return
        for partition, position in positions.items():
            if partition in self._accounts:
                self._accounts[partition].committed(position)

    async def on_partitions_revoked(self, _revoked: Set[TopicPartition]) -> None:
        """The last moment at which this generation of the group may commit."""
        await self.commit()

    def on_partitions_assigned(self, assigned: Set[TopicPartition]) -> None:
        self._accounts = {partition: account for partition, account in self._accounts.items() if partition in assigned}
        self._on_lost()


class Ticket(Struct, frozen=True, eq=False):
    """A delivery's place: a message of one partition, in one stay of that partition with one consumer."""

    group: GroupOffsets
    partition: TopicPartition
    account: PartitionOffsets
    offset: int

"""Offsets of a consumer's assigned partitions, and the commits of those that are done.

Commits run in the background, at most one each 50 ms, with explicit offsets: aiokafka's auto-commit and its bare `commit()` cover
every delivered message, done or not. A failed commit is repeated with the next one; a lost commit means duplicates.
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
    """PartitionOffsets of each assigned partition. aiokafka calls it at each rebalance.

    A rebalance revokes every partition and then assigns anew. A partition that returns keeps its offsets, so that its held
    messages are not delivered twice. The held messages of a partition that moves are forgotten here and delivered by its new
    owner.
    """

    def __init__(self, consumer: AIOKafkaConsumer, on_lost: Callable[[], None]) -> None:
        self._consumer = consumer
        self._on_lost = on_lost
        self._partitions: dict[TopicPartition, PartitionOffsets] = {}
        self._changed = asyncio.Event()

    def track(self, partition: TopicPartition, offset: int, last: int | None = None) -> "DeliveryTag | None":
        """Return the tag of a fetched message, or None if the message is held already.

        With `last`, the message stands for all records up to that offset.
        """
        offsets = self._partitions.setdefault(partition, PartitionOffsets())
        return DeliveryTag(self, partition, offsets, offset) if offsets.track(offset, last) else None

    def is_pending(self, tag: "DeliveryTag") -> bool:
        """True if the message is not done and its partition is still assigned to this consumer."""
        return self._partitions.get(tag.partition) is tag.offsets and tag.offsets.is_pending(tag.offset)

    def finish(self, tag: "DeliveryTag") -> None:
        """Record that the message is done; the commit follows soon. Does nothing if the partition was revoked."""
        tag.offsets.finish(tag.offset)
        self._changed.set()

    async def run(self) -> None:
        """Commit changed positions until cancelled."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(COMMIT_SECONDS)  # one commit for all messages that finish meanwhile
            self._changed.clear()
            await self.commit()

    async def commit(self) -> None:
        """Commit the done offsets below the lowest pending one. Raises nothing and takes at most 3 seconds."""
        assigned = self._consumer.assignment()
        positions = {
            partition: position
            for partition, offsets in self._partitions.items()
            if partition in assigned and (position := offsets.to_commit()) is not None
        }
        if not positions:
            return
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):  # aiokafka itself retries forever
                await self._consumer.commit(positions)
        except (KafkaError, OSError) as error:  # TimeoutError is an OSError
            log.info("queue.commit_later", error=repr(error))
            self._changed.set()
            return
        for partition, position in positions.items():
            if partition in self._partitions:
                self._partitions[partition].committed(position)

    async def on_partitions_revoked(self, _revoked: Set[TopicPartition]) -> None:
        """Commit while this generation of the group still may."""
        await self.commit()

    def on_partitions_assigned(self, assigned: Set[TopicPartition]) -> None:
        self._partitions = {partition: offsets for partition, offsets in self._partitions.items() if partition in assigned}
        self._on_lost()


class DeliveryTag(Struct, frozen=True, eq=False):
    """Identity of a delivery: an offset of a partition, valid for one assignment of that partition to one consumer."""

    group: GroupOffsets
    partition: TopicPartition
    offsets: PartitionOffsets
    offset: int

"""Positions of a consumer group, when the broker does not know them yet."""

from typing import Any

import pytest
from aiokafka import TopicPartition

from internal.domain.errors import QueueUnavailable
from internal.queue.kafka import lag
from internal.settings.loader import load_settings

PARTITION = TopicPartition("images", 0)


class Client:
    """Of aiokafka, as far as positions need it. Its group's coordinator still loads: the answer has an error and no partition."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def close(self) -> None: ...

    def assignment(self) -> set[TopicPartition]:
        return {PARTITION}

    async def end_offsets(self, _: object) -> dict[TopicPartition, int]:
        return {PARTITION: 7}

    async def beginning_offsets(self, _: object) -> dict[TopicPartition, int]:
        return {PARTITION: 0}

    async def list_consumer_group_offsets(self, *_: object, **__: object) -> dict[TopicPartition, Any]:
        return {}


async def test_positions_that_a_loading_coordinator_leaves_out_are_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka 0.14.0 raises the error of a partition, and passes over that of the whole answer: a KeyError for us."""
    monkeypatch.setattr(lag, "AIOKafkaAdminClient", Client)
    monkeypatch.setattr(lag, "AIOKafkaConsumer", Client)

    with pytest.raises(QueueUnavailable):
        await lag.positions_of(load_settings({}).kafka, "images", "group", request_seconds=1)

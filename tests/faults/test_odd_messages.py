"""G3: a message that nobody can take is put away with all that it said, and what comes behind it goes on; replay is once."""

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from tests.faults.cluster import LONG_LEASE, Cluster
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load
from tests.services.kinds import KafkaService
from tests.services.waiting import wait_until

TASK = "image.process"
WAITING = "SELECT count(*) FROM outbox WHERE channel IN ('fast', 'slow')"
JUST_FITS = 1_048_000
"""Bytes of a body that a broker takes as it is set up, and that leave no room for a dead letter's headers."""


class Odd(Struct, frozen=True):
    """A message that no worker understands; `says` is in its letter."""

    says: str
    body: bytes
    type: str = TASK


ODD = (
    Odd("not a task: JSON is malformed", b"{no json"),
    Odd("not a task", b""),
    Odd("a task of version 2", json.dumps({"image_id": str(uuid4()), "lane": "fast", "version": 2}).encode()),
    Odd("unknown field `colour`", json.dumps({"image_id": str(uuid4()), "lane": "fast", "colour": "red"}).encode()),
    Odd("not a task", b"x" * JUST_FITS),
    Odd("no handler for messages of type 'image.praise'", b"{}", type="image.praise"),
)


def put_into_the_table(cluster: Cluster) -> int:
    for odd in ODD:
        statement = "INSERT INTO queue_messages (channel, type, key, body, headers) VALUES ('fast', %s, 'k', %s, %s::jsonb)"
        cluster.run(statement, odd.type, odd.body, '{"origin": "x"}')
    return len(ODD)


def put_into_every_partition(cluster: Cluster, kafka: KafkaService) -> int:
    """So that whatever comes later is behind one of them."""
    assert cluster.places.topics
    topic = cluster.places.topics.events.removesuffix("events") + "process"
    partitions = AdminClient({"bootstrap.servers": kafka.brokers}).list_topics(topic, timeout=30).topics[topic].partitions
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers, "message.max.bytes": 2 * JUST_FITS})
    count = max(len(partitions), len(ODD))
    for number in range(count):
        odd = ODD[number % len(ODD)]
        headers: list[tuple[str, str | bytes | None]] = [("type", odd.type.encode()), ("origin", b"x"), ("binary", b"\xff\0")]
        producer.produce(topic, odd.body, key=b"k", partition=number % len(partitions), headers=headers)
    assert producer.flush(30) == 0
    return count


def test_odd_messages_hold_up_nobody(cluster: Cluster, kafka: KafkaService) -> None:
    load = Load(lambda: cluster.addresses)
    with cluster.steady_api():
        put = put_into_the_table(cluster) if cluster.places.topics is None else put_into_every_partition(cluster, kafka)
        load.upload(8)
        wait_until(lambda: cluster.number(WAITING) == 0, within=30)
        with cluster.worker():
            wait_until(lambda: cluster.number("SELECT count(*) FROM dead_letters") == put, within=30)
            verdict = cluster.checked(load)
    told = {
        (Odd(detail, bytes(body), type_), code, attempts, origin)
        for detail, body, type_, code, attempts, origin in cluster.rows(
            "SELECT detail, body, type, code, attempts, headers ->> 'origin' FROM dead_letters"
        )
    }
    assert {tuple(rest) for _, *rest in told} == {("unprocessable_message", 1, "x")}
    for odd in ODD:
        assert any(odd.says in found.says and (odd.type, odd.body) == (found.type, found.body) for found, *_ in told)
    assert verdict.counted["images processed"] == 8


def replayed(cluster: Cluster, letter: int) -> str:
    """What an operator's command says came of it."""
    return str(json.loads(cluster.imagectl("deadletters", "replay", letter, "--json"))["outcome"])


@pytest.mark.parametrize("cluster", DEPLOYMENTS if LONG else ["folder"], indirect=True)
def test_replayed_by_many_at_once_it_has_one_result(cluster: Cluster) -> None:
    """What failed under a limit that was too narrow is made once, with the tries it has as new."""
    load = Load(lambda: cluster.addresses, processing="resize:100x100")
    with cluster.steady_api():
        load.upload(1)
        id_ = load.accepted[0]
        with cluster.worker(MAX_OUTPUT_PIXELS=16, **LONG_LEASE):
            wait_until(lambda: cluster.status(id_) == "failed", within=60)
        letter = cluster.number("SELECT id FROM dead_letters WHERE image_id = %s", id_)
        with ThreadPoolExecutor(3) as operators:
            outcomes = list(operators.map(lambda _: replayed(cluster, letter), range(3)))
        assert outcomes.count("queued") == 1
        assert set(outcomes) <= {"queued", "no_letter", "not_failed"}
        load.reopened.add(id_)
        with cluster.worker(**LONG_LEASE):
            cluster.checked(load)
    assert cluster.rows("SELECT status, attempt, tries FROM renditions WHERE image_id = %s", id_) == [("processed", 2, 1)]
    assert cluster.number("SELECT count(*) FROM dead_letters WHERE image_id = %s", id_) == 0

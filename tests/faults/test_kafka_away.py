"""G6, G1: Kafka away for longer than a publish may take costs no upload and no picture; a message that is lost is made again."""

from statistics import quantiles
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient

from tests.faults.cluster import Cluster
from tests.faults.conftest import LONG
from tests.faults.load import Load, Sent
from tests.faults.outages import before_kafka
from tests.services.kinds import KafkaService
from tests.services.waiting import wait_until

UPLOADS = 400 if LONG else 16
PER_SECOND = 8.0
WAITING = "SELECT count(*) FROM outbox WHERE channel IN ('fast', 'slow')"


def p95(sent: list[Sent]) -> float:
    """In milliseconds."""
    return 1000 * quantiles([one.seconds for one in sent], n=20)[-1]


@pytest.mark.parametrize("cluster", ["stack"], indirect=True)
def test_uploads_go_on(cluster: Cluster, kafka: KafkaService) -> None:
    """For some publishes' whole time, and one of those that wait is lost meanwhile."""
    load = Load(lambda: cluster.addresses)
    with before_kafka(kafka) as between:
        settings: dict[str, Any] = {**between.settings, "KAFKA_PUBLISH_SECONDS": 1}
        with cluster.worker(**settings), cluster.api(**settings) as api:
            with load.uploading(UPLOADS, per_second=PER_SECOND):
                pass
            cluster.until_final()
            between.proxy.away = True
            with load.uploading(UPLOADS, per_second=PER_SECOND):
                pass
            wait_until(lambda: api.said().count("relay.not_published") > 2, within=30)
            assert cluster.number(WAITING) == UPLOADS
            cluster.run("DELETE FROM outbox WHERE id = (SELECT max(id) FROM outbox WHERE channel = 'fast')")
            between.proxy.away = False
            verdict = cluster.checked(load)
    before, during = p95(load.sent[:UPLOADS]), p95(load.sent[UPLOADS:])
    print(f"p95 of an upload: {before:.0f} ms before, {during:.0f} ms without Kafka: {during / before:.2f} times")
    assert {sent.status for sent in load.sent} == {201}
    assert verdict.counted["images processed"] == 2 * UPLOADS


def lose_messages(cluster: Cluster, kafka: KafkaService) -> None:
    """What is published and nobody has consumed is gone."""
    if cluster.places.topics is None:
        cluster.run("DELETE FROM queue_messages")
        return
    if kafka.source == "wheels":
        pytest.skip("librdkafka's mock broker keeps every record")
    topic = cluster.places.topics.events.removesuffix("events") + "process"
    admin = AdminClient({"bootstrap.servers": kafka.brokers})
    everything = [
        confluent_kafka.TopicPartition(topic, number, confluent_kafka.OFFSET_END)
        for number in admin.list_topics(topic, timeout=30).topics[topic].partitions
    ]
    for deleted in admin.delete_records(everything).values():
        deleted.result(30)


def test_lost_messages_are_made_again(cluster: Cluster, kafka: KafkaService) -> None:
    load = Load(lambda: cluster.addresses)
    with cluster.api():
        load.upload(4)
        wait_until(lambda: cluster.number(WAITING) == 0, within=30)
        lose_messages(cluster, kafka)
        with cluster.worker(WORKER_OVERDUE_SECONDS=1) as worker:
            cluster.checked(load)
            assert "renditions.overdue" in worker.said()
    assert cluster.number("SELECT count(*) FROM images WHERE status = 'failed'") == 0

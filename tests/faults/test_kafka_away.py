"""G6, G1: Kafka away for longer than a publish may take costs no upload and no picture; what it has lost is made again."""

from statistics import quantiles
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.e2e.processes import Running
from tests.faults.cluster import LONG_LEASE, SLOW_STORE, Cluster
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load, Sent
from tests.faults.outages import ALL_THREADS, CONSUMERS, PRODUCER, SMALL, assert_nothing_has_leaked, before_kafka, held, warm_up
from tests.faults.scrape import Scrape
from tests.services.kinds import KafkaService
from tests.services.waiting import wait_until

UPLOADS, PER_SECOND = (400, 8.0) if LONG else (16, 16.0)
OUTAGES = 2 if LONG else 1
"""It goes away again after it has come back: what was connected anew is cut too."""
ROUNDS = (False, False, True) if LONG else (False, True)
DEPTH_AND_AGE = "SELECT count(*), extract(epoch FROM now() - min(created_at))::float8 FROM outbox"
WAITING = "SELECT count(*) FROM outbox WHERE channel IN ('fast', 'slow')"


def upload(load: Load) -> None:
    """At a steady pace, so that each answer's time is its own."""
    with load.uploading(UPLOADS, per_second=PER_SECOND):
        pass


def given_up(api: Running) -> int:
    """How often the fast lane's relay has given up publishing."""
    return sum('"relay.not_published"' in line and '"channel": "fast"' in line for line in api.said().splitlines())


def p95(sent: list[Sent]) -> float:
    """In milliseconds."""
    return 1000 * quantiles([one.seconds for one in sent], n=20)[-1]


def assert_the_outbox_is_measured(cluster: Cluster) -> None:
    """While nothing can leave it: between two looks by the database's clock its oldest row has aged, and no row has gone."""
    [(fewer, younger)] = cluster.rows(DEPTH_AND_AGE)
    measured = Scrape(cluster.addresses[-1])
    [(more, older)] = cluster.rows(DEPTH_AND_AGE)
    assert UPLOADS <= fewer <= measured.one("outbox_messages") <= more
    assert younger <= measured.one("outbox_oldest_age_seconds") <= older
    assert measured.of("outbox_publish_failures_total")["fast"] >= 1


@pytest.mark.timeout(900)
@pytest.mark.parametrize("cluster", ["stack"], indirect=True)
def test_uploads_go_on(cluster: Cluster, kafka: KafkaService) -> None:
    """For some publishes' whole time."""
    load = Load(lambda: cluster.addresses)
    with before_kafka(kafka) as between:
        settings: dict[str, Any] = {**SMALL, **between.settings, **SLOW_STORE, "KAFKA_PUBLISH_SECONDS": 1}
        with cluster.worker(ready=False, **settings) as worker, cluster.api(**settings) as api:
            before_api, before_worker = warm_up(cluster, load, api), held(worker)
            warm = len(load.sent)
            upload(load)
            for _ in range(OUTAGES):
                cluster.until_final()
                wait_until(lambda: cluster.number(WAITING) == 0, within=60)
                between.proxy.away = True
                before = given_up(api)
                upload(load)
                wait_until(lambda: given_up(api) > before, within=60)  # noqa: B023 - used at once
                assert cluster.number(WAITING) == UPLOADS
                assert_the_outbox_is_measured(cluster)
                between.proxy.away = False
            verdict = cluster.checked(load, within=120)
            measured = Scrape(cluster.addresses[-1])
            assert (measured.one("outbox_messages"), measured.one("outbox_oldest_age_seconds")) == (0, 0)
            assert_nothing_has_leaked(cluster, before_api, api, threads=ALL_THREADS)
            assert_nothing_has_leaked(cluster, before_worker, worker, kafka=PRODUCER + CONSUMERS, threads=ALL_THREADS)
    well, away = p95(load.sent[warm : warm + UPLOADS]), p95(load.sent[warm + UPLOADS :])
    print(f"p95 of an upload: {well:.0f} ms before, {away:.0f} ms without Kafka: {away / well:.2f} times")
    assert {sent.status for sent in load.sent} == {201}
    assert verdict.counted["images processed"] == len(load.sent)


@pytest.mark.parametrize("cluster", DEPLOYMENTS if LONG else ["folder"], indirect=True)
def test_lost_messages_are_made_again(cluster: Cluster, kafka: KafkaService) -> None:
    load = Load(lambda: cluster.addresses)
    with cluster.api():
        upload_and_publish(cluster, load)
        lose_messages(cluster, kafka)
        with cluster.worker():  # its idle slots look for tasks that no message names
            cluster.checked(load)


@pytest.mark.parametrize("cluster", ["stack"], indirect=True)
def test_workers_away_for_longer_than_the_retention(cluster: Cluster, kafka: KafkaService) -> None:
    """The group's offsets are gone: all that is still there comes again, and is done already. Then its messages are gone too."""
    load = Load(lambda: cluster.addresses)
    with cluster.api():
        for are_lost in ROUNDS:
            upload_and_publish(cluster, load)
            forget_offsets(cluster, kafka)
            if are_lost:
                lose_messages(cluster, kafka)
            with cluster.worker(WORKER_OVERDUE_SECONDS=1, **LONG_LEASE):
                cluster.checked(load)
    done = cluster.rows("SELECT DISTINCT status, attempt FROM renditions WHERE image_id = ANY(%s::uuid[])", load.accepted)
    assert done == [("processed", 1)]


def upload_and_publish(cluster: Cluster, load: Load) -> None:
    load.upload(4)
    wait_until(lambda: cluster.number(WAITING) == 0, within=30)


def lose_messages(cluster: Cluster, kafka: KafkaService) -> None:
    """What is published is gone, consumed or not."""
    if cluster.places.topics is None:
        cluster.run("DELETE FROM queue_messages")
        return
    skip_without_admin(kafka)
    topic = prefix(cluster) + "process"
    admin = AdminClient({"bootstrap.servers": kafka.brokers})
    everything = [
        confluent_kafka.TopicPartition(topic, number, confluent_kafka.OFFSET_END)
        for number in admin.list_topics(topic, timeout=30).topics[topic].partitions
    ]
    for deleted in admin.delete_records(everything).values():
        deleted.result(30)


def forget_offsets(cluster: Cluster, kafka: KafkaService) -> None:
    """Of the fast lane's group, as far as there are any. Nobody may be in it."""
    skip_without_admin(kafka)
    admin = AdminClient({"bootstrap.servers": kafka.brokers})
    group = prefix(cluster) + "workers-fast"

    def forgotten() -> bool:
        try:
            if group in {found.group_id for found in admin.list_consumer_groups().result(30).valid}:
                admin.delete_consumer_groups([group])[group].result(30)
        except KafkaException:  # who left it is still held for a member
            return False
        return True

    wait_until(forgotten, within=60)


def prefix(cluster: Cluster) -> str:
    """What the cluster's topics and groups begin with."""
    assert cluster.places.topics is not None
    return cluster.places.topics.events.removesuffix("events")


def skip_without_admin(kafka: KafkaService) -> None:
    if kafka.source == "wheels":
        pytest.skip("librdkafka's mock broker keeps every record and every offset")

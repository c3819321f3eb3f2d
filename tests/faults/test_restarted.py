"""G6, G1: PostgreSQL and Kafka themselves end in the middle of load, asked to or by kill -9, and start again: nothing is lost."""

from collections.abc import Iterator

import pytest

from tests.faults.cluster import SLOW_STORE, UNDER_WAY, Cluster
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS, open_cluster
from tests.faults.load import Load
from tests.faults.outages import (
    ALL_THREADS,
    CONSUMERS,
    IMPATIENT,
    PRODUCER,
    SMALL,
    assert_nothing_has_leaked,
    held,
    sweep_at_once,
    warm_up,
)
from tests.services.kinds import KafkaService, PostgresService
from tests.services.own import OwnServer, own_server
from tests.services.waiting import wait_until

WAYS = ("stop", "kill")
CASES = [(name, how) for name in DEPLOYMENTS for how in WAYS] if LONG else [("folder", "kill")]
ROUNDS = 3 if LONG else 1
PER_SECOND = 4.0


def until_more(load: Load, status: int) -> None:
    """Wait until some more clients have been told so."""

    def told() -> int:
        return sum(1 for sent in load.sent if sent.status == status)

    before = told()
    wait_until(lambda: told() > before + PER_SECOND, within=60)


@pytest.fixture
def postgres_server() -> Iterator[OwnServer[PostgresService]]:
    with own_server(PostgresService) as server:
        yield server


@pytest.fixture
def kafka_server() -> Iterator[OwnServer[KafkaService]]:
    with own_server(KafkaService) as server:
        if server.service.source == "wheels":
            pytest.skip("librdkafka's mock broker ends with all that it was told")
        yield server


@pytest.fixture
def on_postgres(request: pytest.FixtureRequest, postgres_server: OwnServer[PostgresService]) -> Iterator[Cluster]:
    with open_cluster(request.param, postgres=postgres_server.service) as cluster:
        yield cluster


@pytest.fixture
def on_kafka(kafka_server: OwnServer[KafkaService]) -> Iterator[Cluster]:
    with open_cluster("stack", kafka=kafka_server.service) as cluster:
        yield cluster


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("on_postgres", "how"), CASES, indirect=["on_postgres"])
def test_postgres(postgres_server: OwnServer[PostgresService], on_postgres: Cluster, how: str) -> None:
    cluster = on_postgres
    load = Load(lambda: cluster.addresses)
    with cluster.worker(ready=False, **IMPATIENT) as worker, cluster.api(**IMPATIENT) as api:
        before_api, before_worker = warm_up(cluster, load, api), held(worker)
        for _ in range(ROUNDS):
            with load.uploading(10_000, per_second=PER_SECOND):
                wait_until(lambda: cluster.number(UNDER_WAY) > 0, within=30)
                postgres_server.end(how)
                until_more(load, 503)
                postgres_server.start()
                until_more(load, 201)
                load.stop()
            cluster.until_final()
        sweep_at_once(cluster)
        cluster.checked(load)
        assert_nothing_has_leaked(cluster, before_api, api, threads=ALL_THREADS)
        assert_nothing_has_leaked(cluster, before_worker, worker, kafka=PRODUCER + CONSUMERS, threads=ALL_THREADS)
    assert {sent.status for sent in load.sent} == {201, 503}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", WAYS if LONG else ["stop"])
def test_kafka(kafka_server: OwnServer[KafkaService], on_kafka: Cluster, how: str) -> None:
    cluster = on_kafka
    load = Load(lambda: cluster.addresses)
    with cluster.worker(ready=False, **SMALL) as worker, cluster.api(**SMALL, **SLOW_STORE, KAFKA_PUBLISH_SECONDS=1) as api:
        before_api, before_worker = warm_up(cluster, load, api), held(worker)
        for _ in range(ROUNDS):
            with load.uploading(10_000, per_second=PER_SECOND):
                wait_until(lambda: cluster.number(UNDER_WAY) > 0, within=30)
                kafka_server.end(how)
                given_up = api.said().count("relay.not_published")
                api.until_said("relay.not_published", times=given_up + 1)
                until_more(load, 201)
                kafka_server.start()
                until_more(load, 201)
                load.stop()
            cluster.until_final()
        verdict = cluster.checked(load, within=120)
        assert_nothing_has_leaked(cluster, before_api, api, threads=ALL_THREADS)
        assert_nothing_has_leaked(cluster, before_worker, worker, kafka=PRODUCER + CONSUMERS, threads=ALL_THREADS)
    assert {sent.status for sent in load.sent} == {201}
    assert verdict.counted["images processed"] == len(load.sent)

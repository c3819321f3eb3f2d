"""Services in containers of the real images, published on 127.0.0.1 only and removed with their volumes on leaving."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.waiting_utils import wait_for_logs

from tests.services.kinds import KafkaService, PostgresService, S3Service, Started
from tests.services.reachable import free_port, postgres_answers, s3_answers
from tests.services.waiting import wait_until

POSTGRES = "postgres:18"
MINIO = "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z"
KAFKA = "apache/kafka:4.3.1"
LOCAL = "127.0.0.1"
READY_SECONDS = 180


def docker_answers() -> bool:
    """Whether a Docker engine is there: a client without an engine, which knows at once, is none; a busy engine is one."""
    try:
        client = DockerClient(timeout=60).client
        try:
            return bool(client.ping())
        finally:
            client.close()
    except Exception:
        return False


@contextmanager
def run(name: str) -> Iterator[Started]:
    services: dict[str, Callable[[], AbstractContextManager[Started]]] = {"postgres": _postgres, "s3": _s3, "kafka": _kafka}
    with services[name]() as started:
        yield started


def _publish(container: DockerContainer, port: int, host_port: int) -> DockerContainer:
    """The host's port is chosen before the start: one that Docker chooses is another one after a restart."""
    address: Any = (LOCAL, host_port)  # docker's form; testcontainers types ports only
    container.ports[f"{port}/tcp"] = address
    return container


@contextmanager
def _postgres() -> Iterator[Started]:
    port = free_port()
    container = _publish(DockerContainer(POSTGRES), 5432, port).with_env("POSTGRES_PASSWORD", "postgres")
    container = container.with_command("postgres -c fsync=off -c max_connections=300")
    with container:
        service = PostgresService("testcontainers", LOCAL, port, "postgres", "postgres", "postgres")
        wait_until(lambda: postgres_answers(service), READY_SECONDS)
        yield Started(service, container.get_wrapped_container())


@contextmanager
def _s3() -> Iterator[Started]:
    port, user, password = free_port(), "test-access", "test-secret"
    container = _publish(DockerContainer(MINIO), 9000, port).with_command("server /data")
    with container.with_envs(MINIO_ROOT_USER=user, MINIO_ROOT_PASSWORD=password):
        service = S3Service("testcontainers", LOCAL, port, user, password)
        wait_until(lambda: s3_answers(service), READY_SECONDS)
        yield Started(service)


@contextmanager
def _kafka() -> Iterator[Started]:
    """One broker in KRaft mode, which sends its clients to the advertised address."""
    port = free_port()
    container = _publish(DockerContainer(KAFKA), 19092, port).with_envs(
        KAFKA_NODE_ID="1",
        KAFKA_PROCESS_ROLES="broker,controller",
        KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:9093",
        KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
        KAFKA_LISTENERS="INTERNAL://:9092,HOST://:19092,CONTROLLER://:9093",
        KAFKA_ADVERTISED_LISTENERS=f"INTERNAL://localhost:9092,HOST://{LOCAL}:{port}",
        KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="INTERNAL:PLAINTEXT,HOST:PLAINTEXT,CONTROLLER:PLAINTEXT",
        KAFKA_INTER_BROKER_LISTENER_NAME="INTERNAL",
        KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
        KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
        KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
        KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR="1",
        KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR="1",
        KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
    )
    with container:
        wait_for_logs(container, "Kafka Server started", timeout=READY_SECONDS)
        yield Started(KafkaService("testcontainers", f"{LOCAL}:{port}"), container.get_wrapped_container())

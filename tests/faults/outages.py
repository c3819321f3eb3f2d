"""Services behind proxies, so that a service is down for the processes of one test only."""

import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil  # type: ignore[import-untyped]
from msgspec import Struct

from tests.e2e.deployment import IMAGES
from tests.e2e.processes import Running
from tests.faults.cluster import Cluster
from tests.faults.load import Load, picture
from tests.pictures import jpeg
from tests.services.kinds import KafkaService, PostgresService, S3Service
from tests.services.proxy import Proxy, proxy_thread
from tests.services.waiting import wait_until

LOCAL = "127.0.0.1"
POOL, THREADS, FOLDER_THREADS = 4, 4, 8
PRODUCER, CONSUMERS = 1, 4
"""Connections to Kafka: each of a worker's two lanes has one to the broker, and one to its group's coordinator."""
ALL_THREADS = 1 + THREADS + (os.cpu_count() or 1) + 4 + 4
"""The main one, the store's, asyncio's own, and libuv's four, in which uvloop looks addresses up; all start when first needed."""
SMALL: dict[str, Any] = {"DB_POOL_SIZE": POOL, "MINIO_THREADS": THREADS}
"""A process that soon has all that it may have; a folder's threads are not configured."""

IMPATIENT: dict[str, Any] = {**SMALL, "DB_TIMEOUT_SECONDS": 1, "BREAKER_SECONDS": 0.2, "WORKER_PAUSE_SECONDS": 0.2}
"""And one that soon gives its database up, and soon asks again."""


class Between(Struct, frozen=True):
    """A proxy, and the settings of a process that goes through it."""

    proxy: Proxy
    settings: Mapping[str, Any]


@contextmanager
def before_store(s3: S3Service) -> Iterator[Between]:
    with proxy_thread(s3.host, s3.port) as proxy:
        yield Between(proxy, {"MINIO_HOST": LOCAL, "MINIO_PORT": proxy.port})


@contextmanager
def before_database(postgres: PostgresService) -> Iterator[Between]:
    with proxy_thread(postgres.host, postgres.port) as proxy:
        yield Between(proxy, {"DB_HOST": LOCAL, "DB_PORT": proxy.port})


@contextmanager
def before_kafka(kafka: KafkaService) -> Iterator[Between]:
    """Clients go to the address that the broker tells of itself, in whatever answer: here it is told as the proxy's."""
    host, port = kafka.brokers.split(",")[0].rsplit(":", 1)
    with proxy_thread(host, int(port)) as proxy:
        proxy.replace = (host.encode() + struct.pack(">i", int(port)), host.encode() + struct.pack(">i", proxy.port))
        yield Between(proxy, {"KAFKA_BROKERS": f"{host}:{proxy.port}"})


def post(cluster: Cluster, data: bytes | None = None) -> httpx2.Response:
    """One upload to the API that started last."""
    files = {"image": ("a.jpg", data or picture())}
    return httpx2.post(f"{cluster.addresses[-1]}{IMAGES}", files=files, timeout=40, trust_env=False)


def assert_unavailable(response: httpx2.Response, when: str = "") -> None:
    """Told as it should be: try again later, and when."""
    assert response.status_code == 503, f"{when}: {response.text}"
    assert response.json()["code"] == "unavailable"
    assert response.headers["retry-after"].isdecimal()


class Held(Struct, frozen=True):
    """What a process holds of what may leak. `connections` are its own: who is connected to it is the clients' affair. `files`
    are all its descriptors that are no sockets: pipes and what it watches with too.
    """

    threads: int
    connections: int
    files: int


def held(process: Running) -> Held:
    found = psutil.Process(process.pid)
    sockets = found.net_connections("inet")
    listening = {socket.laddr.port for socket in sockets if socket.status == psutil.CONN_LISTEN}
    connections = sum(1 for socket in sockets if socket.raddr and socket.laddr.port not in listening)
    return Held(found.num_threads(), connections, sum(1 for _ in open_files(process)))


def open_files(process: Running) -> Iterator[str]:
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            if not (target := str(descriptor.readlink())).startswith("socket:"):
                yield target


def until_later(cluster: Cluster, seconds: float) -> None:
    """By the database's clock, which the service's leases and deadlines run out by; a test sees it through every outage."""
    [(since,)] = cluster.rows("SELECT now()")
    wait_until(lambda: cluster.rows("SELECT now() > %s + %s * interval '1 s'", since, seconds)[0][0], within=seconds + 30)


def sweep_at_once(cluster: Cluster) -> None:
    """What is listed for removal, once all is final, waits no longer. For when nobody writes any more."""
    cluster.until_final()
    cluster.run("UPDATE unreferenced_objects SET deadline = now()")


def warm_up(cluster: Cluster, load: Load, process: Running) -> Held:
    """So much at once that every thread of the store is started; what the process holds then."""
    load.upload(32, at_once=32, data=jpeg())
    cluster.until_final()
    return held(process)


def assert_nothing_has_leaked(
    cluster: Cluster, before: Held, process: Running, *, kafka: int = PRODUCER, threads: int = 0
) -> None:
    """Connections are as many as its small pools allow, and one listens, and `kafka` are Kafka's; not all need have been there
    before. Nor need all of so many `threads`; a folder's are soon done, and so some may have started later too. The files of a
    task in hand are closed soon after it is final.
    """
    with suppress(TimeoutError):
        wait_until(lambda: held(process).files <= before.files, within=10)
    assert held(process).files <= before.files, sorted(open_files(process))
    on_the_stack = cluster.name == "stack"
    now = held(process)
    assert now.connections <= POOL + 1 + (THREADS + kafka if on_the_stack else 0)
    assert now.threads <= max(before.threads, threads) + (0 if on_the_stack else FOLDER_THREADS)

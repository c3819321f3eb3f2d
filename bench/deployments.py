"""The two deployments, and in each a place of its own for every part: an empty database, store and queue that are removed again.

Standalone: the embedded PostgreSQL, a folder, the queue in PostgreSQL. Full stack: PostgreSQL, an S3 server and Kafka, from the
environment (TEST_*), from containers, or from wheels, as in the tests.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from msgspec import Struct

from bench import full_stack
from bench.direct_store import Address, BucketAddress, FolderAddress
from bench.programs import run_launcher
from bench.sampler import Group
from bench.servers import durability, listening_group, postgres_group
from bench.trees import THIS, Tree
from internal.runtime.project import PROJECT
from internal.settings.loader import load_settings
from internal.settings.sections import Settings, every_setting
from internal.standalone.postgres import embedded_postgres
from internal.wiring.bootstrap import bootstrap
from tests.services import run
from tests.services.databases import own_database
from tests.services.kinds import KafkaService, PostgresService, S3Service


class Place(Struct, frozen=True):
    """Where one part works. `environment` is what the service's processes are started with, but for their ports.

    `tree`: whose processes these are.
    """

    environment: dict[str, str]
    conninfo: str
    store: Address
    servers: list[Group]
    folder: Path
    tree: Tree = THIS


class Deployment(Protocol):
    """One of the two. `described` says what stands behind it."""

    name: str
    described: str

    def place(self, more: dict[str, str] | None = None, tree: Tree = THIS) -> AbstractContextManager[Place]:
        """An empty place, with the schema of `tree`; `more` is added to its environment."""


def settings_of(environment: dict[str, str]) -> Settings:
    return load_settings(environment)


def environment(values: dict[str, str]) -> dict[str, str]:
    """This process's environment without any setting of the service's, and `values`: nothing else decides what is measured."""
    ours = {"APP_PROFILE", *(setting.variable for setting in every_setting())}
    return {**{name: value for name, value in os.environ.items() if name not in ours}, "LOG_FORMAT": "json", **values}


class Standalone:
    name = "standalone"

    def __init__(self, server: PostgresService, folder: Path) -> None:
        self._server, self._folder = server, folder
        self._servers = postgres_group(server.conninfo, server.port)
        self.described = f"embedded {durability(server.conninfo)}; filesystem; queue in PostgreSQL"

    @contextmanager
    def place(self, more: dict[str, str] | None = None, tree: Tree = THIS) -> Iterator[Place]:
        folder = self._folder / uuid4().hex
        folder.mkdir()
        with own_database(self._server) as database:
            values = {"APP_PROFILE": "standalone", "STORAGE_PATH": str(folder / "objects"), **database.variables}
            place_environment = environment({**values, **(more or {})})
            _migrate(place_environment, tree)
            store = FolderAddress(folder / "objects")
            yield Place(place_environment, database.conninfo, store, self._servers, folder, tree)
        shutil.rmtree(folder, ignore_errors=True)


class FullStack:
    name = "full stack"

    def __init__(self, server: PostgresService, s3: S3Service, kafka: KafkaService, folder: Path) -> None:
        self._server, self._s3, self._kafka, self._folder = server, s3, kafka, folder
        kafka_port = int(kafka.brokers.split(",")[0].rpartition(":")[2])
        self._servers = [
            *postgres_group(server.conninfo, server.port),
            *listening_group("s3", s3.port),
            *listening_group("kafka", kafka_port),
        ]
        self.described = f"{durability(server.conninfo)}; S3; Kafka; {run.summary()}"

    @contextmanager
    def place(self, more: dict[str, str] | None = None, tree: Tree = THIS) -> Iterator[Place]:
        folder, word = self._folder / uuid4().hex, f"bench-{uuid4().hex[:12]}"
        folder.mkdir()
        with own_database(self._server) as database:
            values = {**database.variables, **full_stack.values(self._s3, self._kafka, word), **(more or {})}
            place_environment = environment(values)
            settings = settings_of(place_environment)
            _migrate(place_environment, tree)
            with full_stack.prepared(settings):
                yield Place(place_environment, database.conninfo, _bucket(settings), self._servers, folder, tree)


@contextmanager
def open_standalone(folder: Path) -> Iterator[Deployment]:
    """Start the embedded PostgreSQL as `make run` does, on a folder of this run's own."""
    home = folder / "standalone"
    home.mkdir()
    database = settings_of({"APP_PROFILE": "standalone"}).database
    with embedded_postgres(home / "postgres", database) as reached:
        server = PostgresService("wheels", reached.host, reached.port, reached.user, reached.password.reveal(), "postgres")
        yield Standalone(server, home)


@contextmanager
def open_full_stack(folder: Path) -> Iterator[Deployment]:
    """Find or start the three services."""
    home = folder / "full-stack"
    home.mkdir()
    run.begin()
    try:
        yield FullStack(run.acquire(PostgresService), run.acquire(S3Service), run.acquire(KafkaService), home)
    finally:
        run.end()


OPENERS = {"standalone": open_standalone, "full": open_full_stack}


def _migrate(place_environment: dict[str, str], tree: Tree) -> None:
    """Schema and store as `tree` has them, and no topics: the mock broker takes no order to make them."""
    values = {**place_environment, "QUEUE_BACKEND": "postgres"}
    if tree == THIS:
        bootstrap(settings_of(values))
    else:
        run_launcher("cmd/migrate/main.py", values, tree)


def _bucket(settings: Settings) -> BucketAddress:
    minio = settings.minio
    return BucketAddress(minio.host, minio.port, *minio.key.reveal(), minio.bucket, minio.region, minio.secure)


__all__ = ["OPENERS", "PROJECT", "Deployment", "Place"]

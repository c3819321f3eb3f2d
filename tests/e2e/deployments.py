"""The two deployments as somebody at a shell starts them, on free ports and with nothing that is anybody else's."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

from tests.e2e.deployment import (
    MAX_UPLOAD_BYTES,
    Deployment,
    answers,
    client,
    health_of,
    let_in,
    metrics_of,
    objects_in,
    pictures_in_work,
)
from tests.e2e.processes import Running, environment, imagectl, running
from tests.services.folders import files_below
from tests.services.kinds import KafkaService, PostgresService, S3Service
from tests.services.reachable import free_port
from tests.services.waiting import wait_until

START_SECONDS = 120.0


def until_ready(http: httpx2.Client, *processes: Running) -> None:
    """Wait for the service; fails at once, with what it said, when one of its processes ends."""
    wait_until(lambda: answers(http) or any(process.ended for process in processes), START_SECONDS)
    for process in processes:
        assert not process.ended, process.said()[-3000:]


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Short, since a Unix socket lies in it, and removed at the end."""
    with tempfile.TemporaryDirectory(prefix="e2e-") as folder:
        yield Path(folder)


def standalone_environment(folder: Path, **settings: object) -> dict[str, str]:
    (folder / "scratch").mkdir(exist_ok=True)
    fixed = {"DATA_PATH": folder / "data", "SANDBOX_SCRATCH": folder / "scratch", "LOG_FORMAT": "json"}
    ports = {"SERVER_PORT": free_port(), "WORKER_PORT": free_port()}
    return environment(**{**fixed, **ports, "MAX_UPLOAD_BYTES": MAX_UPLOAD_BYTES, **settings})


@contextmanager
def standalone(folder: Path, **settings: object) -> Iterator[tuple[Deployment, Running]]:
    """`make run` with its data in `folder`. Where a key is asked for, the deployment's client has one."""
    environ = standalone_environment(folder, **settings)
    objects = folder / "data/objects"
    with ExitStack() as stack:
        process = stack.enter_context(running("standalone", folder / "log", environ))
        http = stack.enter_context(client(int(environ["SERVER_PORT"])))
        until_ready(http, process)
        if "key" in environ.get("AUTH_MODE", ""):
            let_in(http, new_key(folder, {"APP_PROFILE": "standalone", "DATA_PATH": folder / "data"}))
        deployment = Deployment(
            http=http,
            conninfo=embedded_conninfo(folder / "data"),
            objects=lambda: {str(path.relative_to(objects)) for path in files_below(objects)},
            scratch=lambda: pictures_in_work(folder / "scratch"),
            log=process.said,
            worker_health=lambda: health_of(int(environ["WORKER_PORT"])),
            api_metrics=lambda: metrics_of(int(environ["SERVER_PORT"])),
            worker_metrics=lambda: metrics_of(int(environ["WORKER_PORT"])),
        )
        yield deployment, process


def embedded_conninfo(data: Path) -> str:
    """How the embedded server is reached: its pid file says on which line."""
    lines = (data / "postgres/postmaster.pid").read_text().splitlines()
    return f"host={lines[4]} port={lines[3]} user=postgres dbname=images"


def stack_settings(s3: S3Service, kafka: KafkaService, bucket: str, prefix: str) -> dict[str, object]:
    """MinIO and Kafka, with a bucket, topics and a group of one's own."""
    return {
        "MINIO_HOST": s3.host,
        "MINIO_PORT": s3.port,
        "MINIO_ROOT_USER": s3.access_key,
        "MINIO_ROOT_PASSWORD": s3.secret_key,
        "MINIO_SSL": s3.secure,
        "S3_BUCKET_NAME": bucket,
        "KAFKA_BROKERS": kafka.brokers,
        "KAFKA_TOPIC": f"{prefix}process",
        "KAFKA_SLOW_TOPIC": f"{prefix}process.slow",
        "KAFKA_EVENTS_TOPIC": f"{prefix}events",
        "KAFKA_DLQ_TOPIC": f"{prefix}dead-letters",
        "KAFKA_GROUP_ID": f"{prefix}workers",
    }


def remove_bucket(s3: S3Service, bucket: str) -> None:
    """With all that is in it."""
    client = s3.client()
    if client.bucket_exists(bucket):
        for key in objects_in(s3, bucket):
            client.remove_object(bucket, key)
        client.remove_bucket(bucket)


def new_key(folder: Path, settings: Mapping[str, object], scopes: str = "images:read,images:write") -> str:
    """An API key, made as an operator makes the first one."""
    made = imagectl(folder, "keys", "create", "--owner", "somebody", "--scopes", scopes, **settings)
    assert made.returncode == 0, made.stderr
    return made.stdout.decode().strip()


class FullStack:
    """API and migrate, and as many workers as are asked for, against services that the test session shares.

    Whoever has a key may use it; the deployment's client has one.
    """

    def __init__(self, folder: Path, database: PostgresService, s3: S3Service, kafka: KafkaService, prefix: str) -> None:
        self._folder, self._database, self._s3, self._kafka = folder, database, s3, kafka
        self._bucket = f"{prefix}journey".lower()
        self._ports = {"SERVER_PORT": free_port(), "WORKER_PORT": free_port()}
        (folder / "scratch").mkdir()
        self._settings: dict[str, object] = {
            **database.variables,
            **stack_settings(s3, kafka, self._bucket, prefix),
            "SANDBOX_SCRATCH": folder / "scratch",
            "MAX_UPLOAD_BYTES": MAX_UPLOAD_BYTES,
            "AUTH_MODE": "key",
            **self._ports,
        }

    def _to_migrate(self) -> dict[str, object]:
        """The broker out of the wheel has no controller that could create topics; it makes them when they are asked for."""
        return {**self._settings, **({"QUEUE_BACKEND": "postgres"} if self._kafka.source == "wheels" else {})}

    @contextmanager
    def serving(self) -> Iterator[Deployment]:
        """Migrated, and with an API; the bucket is removed at the end."""
        with ExitStack() as stack:
            stack.callback(remove_bucket, self._s3, self._bucket)
            with running("migrate", self._folder / "log", environment(**self._to_migrate())) as migrate:
                assert migrate.wait() == 0, migrate.said()
            api = stack.enter_context(running("api", self._folder / "log", environment(**self._settings)))
            http = stack.enter_context(client(int(str(self._ports["SERVER_PORT"]))))
            until_ready(http, api)
            let_in(http, new_key(self._folder, self._settings))
            yield Deployment(
                http=http,
                conninfo=self._database.conninfo,
                objects=lambda: objects_in(self._s3, self._bucket),
                scratch=lambda: pictures_in_work(self._folder / "scratch"),
                log=(self._folder / "log").read_text,
                worker_health=lambda: health_of(self._ports["WORKER_PORT"]),
                api_metrics=lambda: metrics_of(self._ports["SERVER_PORT"]),
                worker_metrics=lambda: metrics_of(self._ports["WORKER_PORT"]),
            )

    @contextmanager
    def worker(self, **settings: object) -> Iterator[Running]:
        """One worker, ready for work. It writes to the same log."""
        port = settings.setdefault("WORKER_PORT", free_port())
        with running("worker", self._folder / "log", environment(**{**self._settings, **settings})) as worker:
            with client(int(str(port))) as http:
                until_ready(http, worker)
            yield worker

    @contextmanager
    def complete(self) -> Iterator[Deployment]:
        """API and one worker."""
        with self.serving() as deployment, self.worker(WORKER_PORT=self._ports["WORKER_PORT"]):
            yield deployment

"""A running deployment: its HTTP in front, and what lies behind it, so that a test sees what is really kept."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg
from msgspec import Struct

from tests.services.folders import everything_below
from tests.services.kinds import S3Service
from tests.services.waiting import wait_until

IMAGES = "/api/v1/images"
SOON_CLOSED = httpx2.Limits(keepalive_expiry=1)
"""A client's, that drops connections before the server does: one that is closed while a request is on its way fails that."""
MAX_UPLOAD_BYTES = 12 * 2**20
"""Above 8 MiB, so that uploads in parts are seen too, and small enough to be passed quickly."""

TABLES = {
    "images": "id",
    "renditions": "id",
    "unreferenced_objects": "key",
    "events": "id",
    "idempotency_keys": "key",
    "outbox": "id",
    "dead_letters": "id",
}
"""Every table that a request may write to, and what names a row."""


class Deployment(Struct, frozen=True):
    """`objects`: names of all that is in the store, half-written too. `scratch`: pictures in work. `log`: all processes'.

    `api_metrics`: of the API, from its own machine. `worker_metrics`: of all workers, one after the other.
    """

    http: httpx2.Client
    conninfo: str
    objects: Callable[[], set[str]]
    scratch: Callable[[], set[str]]
    log: Callable[[], str]
    worker_health: Callable[[], int]
    api_metrics: Callable[[], str]
    worker_metrics: Callable[[], str]

    def upload(self, picture: bytes, *, name: str = "picture.jpg", headers: dict[str, str] | None = None, **fields: str) -> str:
        """Upload, and return the image's path."""
        response = self.http.post(IMAGES, files={"image": (name, picture)}, data=fields, headers=headers)
        assert response.status_code == 201, response.text
        return response.headers["location"]

    def status(self, path: str) -> dict[str, Any]:
        response = self.http.get(f"{path}/status")
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def settled(self, path: str, within: float = 90.0) -> dict[str, Any]:
        """The status, once it is processed or failed."""
        wait_until(lambda: self.status(path)["status"] in ("processed", "failed"), within)
        return self.status(path)

    def processed(self, picture: bytes, **fields: Any) -> str:
        """Upload, wait, and return the image's path."""
        path = self.upload(picture, **fields)
        assert self.settled(path)["status"] == "processed", self.status(path)
        return path

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def kept(self) -> set[str]:
        """All that a request can leave: rows and objects."""
        rows = {f"{table} {row}" for table, name in TABLES.items() for (row,) in self.rows(f"SELECT {name} FROM {table}")}
        return rows | {f"object {key}" for key in self.objects()}

    @contextmanager
    def leaves_nothing(self) -> Iterator[None]:
        """What the block does must leave no row, no object and no file that was not there before."""
        before = self.kept()
        yield
        wait_until(lambda: self.kept() <= before, within=30)

    def log_lines(self) -> list[dict[str, Any]]:
        """What the processes logged, as far as it is JSON."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{") and line.endswith("}")]

    def until_logged(self, within: float = 20.0, **wanted: object) -> None:
        """Wait for a line of the log with all of these."""
        wait_until(
            lambda: any(all(line.get(name) == value for name, value in wanted.items()) for line in self.log_lines()), within
        )

    @property
    def authorization(self) -> str:
        """The credential that `http` sends, for requests by hand; empty where none is asked for."""
        return self.http.headers.get("authorization", "")

    @property
    def place(self) -> tuple[str, int]:
        """Host and port, for requests that no HTTP library would send."""
        parts = urlsplit(str(self.http.base_url))
        return parts.hostname or "", parts.port or 80


@contextmanager
def client(port: int) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=40, trust_env=False, limits=SOON_CLOSED) as http:
        yield http


def let_in(http: httpx2.Client, key: str) -> None:
    """From now on the client sends this API key."""
    http.headers["authorization"] = f"Bearer {key}"


def answers(http: httpx2.Client) -> bool:
    """Whether the service says that it is ready."""
    try:
        return http.get("/health/ready").status_code == 200
    except httpx2.TransportError:
        return False


def pictures_in_work(folder: Path) -> set[str]:
    """What workers keep of the tasks in their hands."""
    return {str(path) for path in everything_below(folder) if path.name.startswith("task-")}


def objects_in(service: S3Service, bucket: str) -> set[str]:
    return {found.object_name or "" for found in service.client().list_objects(bucket, recursive=True)}


def health_of(port: int) -> int:
    """The status of a worker's health, 0 while nothing answers there."""
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False).status_code
    except httpx2.TransportError:
        return 0


def metrics_of(port: int) -> str:
    """What the process behind the port counted, nothing while it does not answer."""
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=30, trust_env=False).text
    except httpx2.TransportError:
        return ""

"""The service's two processes in a place, and what they leave in its database."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg

from bench.deployments import Place
from bench.programs import ProgramFailed, Running, service
from bench.sampler import Group
from tests.services.reachable import free_port

DRAIN_SECONDS = 60.0
LOOK_SECONDS = 0.1

COUNT_WAITING = b"SELECT count(*) FROM outbox WHERE channel IN ('fast', 'slow')"
TIMES_FINISHED = (
    b"SELECT status, extract(epoch FROM finished_at) FROM renditions WHERE image_id = ANY(%s) AND finished_at IS NOT NULL"
)
COUNT_UNFINISHED = b"SELECT count(*) FROM renditions WHERE image_id = ANY(%s) AND finished_at IS NULL"


@contextmanager
def running_api(place: Place) -> Iterator[Running]:
    """The API, ready."""
    port = free_port()
    environment = {**place.environment, "SERVER_PORT": str(port)}
    with service("cmd/api/main.py", port, environment, place.folder / "api.log", place.tree) as api:
        api.wait_until_ready()
        yield api


@contextmanager
def starting_worker(place: Place) -> Iterator[Running]:
    """A worker that has just been started: who wants it ready waits for it."""
    port = free_port()
    environment = {**place.environment, "WORKER_PORT": str(port)}
    with service("cmd/worker/main.py", port, environment, place.folder / "worker.log", place.tree) as worker:
        yield worker


def groups_of(place: Place, *, api: Running | None = None, worker: Running | None = None) -> list[Group]:
    """Everything of this place whose CPU time and memory can be seen. The worker's children decode."""
    groups = [Group("api", api.pid)] if api else []
    groups += [Group("worker", worker.pid), Group("decoders", worker.pid, own=False, family=True)] if worker else []
    return [*groups, *place.servers]


def wait_until_queued(place: Place) -> None:
    """Return when the relay has brought every task into the queue."""
    with psycopg.connect(place.conninfo, autocommit=True) as connection:
        deadline = time.monotonic() + DRAIN_SECONDS
        while (row := connection.execute(COUNT_WAITING).fetchone()) and row[0]:
            if time.monotonic() > deadline:
                raise ProgramFailed(f"{row[0]} tasks were still in the outbox after {DRAIN_SECONDS:g} s")
            time.sleep(LOOK_SECONDS)


def wait_until_finished(place: Place, images: list[UUID], within: float) -> list[float]:
    """When each of these images' renditions was finished, in seconds of the system's clock. Raises ProgramFailed."""
    found = finished_within(place, images, within)
    if len(found) < len(images):
        raise ProgramFailed(f"{len(found)} of {len(images)} pictures were finished in {within:g} s")
    if failed := [status for status, _ in found if status != "processed"]:
        raise ProgramFailed(f"{len(failed)} pictures failed")
    return sorted(moment for _, moment in found)


def finished_within(place: Place, images: list[UUID], within: float) -> list[tuple[str, float]]:
    """Status and moment of each rendition of these images that is finished: when all are, or after `within` seconds."""
    with psycopg.connect(place.conninfo, autocommit=True) as connection:
        deadline = time.monotonic() + within
        while len(found := connection.execute(TIMES_FINISHED, [images]).fetchall()) < len(images):
            if time.monotonic() > deadline:
                break
            time.sleep(LOOK_SECONDS)
    return [(str(status), float(moment)) for status, moment in found]


def count_unfinished(place: Place, images: list[UUID]) -> int:
    """How many renditions of these images are still to come."""
    with psycopg.connect(place.conninfo, autocommit=True) as connection:
        row = connection.execute(COUNT_UNFINISHED, [images]).fetchone()
        return int(row[0]) if row else 0

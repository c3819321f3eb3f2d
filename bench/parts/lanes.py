"""Slow work beside fast work: JPEG thumbnails from upload to processed, with and without a queue of AVIF work.

Rounds of both in turn, in the same API and worker. Between thumbnails the queue is filled up, so that it never runs dry; what is
left of it at the end of its round is deleted.
"""

import time
from statistics import median
from uuid import UUID

from bench.deployments import Deployment, Place
from bench.parts.scale import Scale
from bench.parts.service import count_unfinished, running_api, starting_worker
from bench.parts.thumbnails import Thumbnails, p95
from bench.pictures import TWO, picture
from bench.render import THUMBNAIL
from bench.report import Result, verdict
from bench.requests import Connection, upload_request

MARK = 1.5
PICTURES = 50
WARM_UP = 5
AVIF = "format:avif"
DEPTH = 12
SETTLE_SECONDS = 4.0
"""A worker notices within its renewal of a lease (2 s) that what it works on is gone."""


def measure(deployment: Deployment, scale: Scale) -> Result:
    alone: list[float] = []
    beside: list[float] = []
    avif = 0
    with deployment.place() as place, running_api(place) as api, starting_worker(place) as worker:
        worker.wait_until_ready()
        with Connection(api.port) as connection:
            thumbnails = Thumbnails(connection, api.port)
            thumbnails.measure(WARM_UP)
            for _ in range(scale.rounds):
                queue = _Queue(connection, api.port, place)
                alone += thumbnails.measure(scale.count(PICTURES))
                beside += thumbnails.measure(scale.count(PICTURES), queue.fill)
                avif += queue.empty()
    return _result(deployment, alone, beside, avif)


class _Queue:
    """Pictures that are to become AVIF, always more than the worker can take."""

    def __init__(self, connection: Connection, port: int, place: Place) -> None:
        self._connection, self._place = connection, place
        self._request = upload_request(picture(TWO), AVIF, port)
        self._images: list[UUID] = []

    def fill(self) -> None:
        for _ in range(DEPTH - count_unfinished(self._place, self._images)):
            self._images.append(self._connection.upload(self._request))

    def empty(self) -> int:
        """Delete all; returns how many were finished."""
        finished = len(self._images) - count_unfinished(self._place, self._images)
        for image in self._images:
            self._connection.delete(image)
        time.sleep(SETTLE_SECONDS)
        return finished


def _result(deployment: Deployment, alone: list[float], beside: list[float], avif: int) -> Result:
    ratio = p95(beside) / p95(alone)
    row = [
        f"{TWO.name} -> {THUMBNAIL.side} {THUMBNAIL.format}",
        f"{median(alone):.1f}",
        f"{p95(alone):.1f}",
        f"{median(beside):.1f}",
        f"{p95(beside):.1f}",
        f"{ratio:.2f}",
        verdict(ratio <= MARK, f"<= {MARK}"),
        str(avif),
    ]
    columns = ["picture", "alone p50 ms", "alone p95 ms", "beside AVIF p50 ms", "p95 ms", "p95 ratio", "mark", "AVIF made"]
    notes = [
        f"{len(alone)} and {len(beside)} thumbnails, one after the other; {DEPTH} pictures of {TWO.name} wait to become AVIF."
    ]
    raw = {"alone_ms": alone, "beside_ms": beside}
    return Result("lanes", "Thumbnails beside a queue of AVIF", deployment.name, columns, [row], notes, raw, columns[:-2])

"""Thumbnails one after the other, each from its upload's first byte to its result's last."""

import time
from collections.abc import Callable
from statistics import quantiles

from bench.pictures import TWO, picture
from bench.render import THUMBNAIL
from bench.requests import Connection, upload_request

PAUSE_SECONDS = 0.05
EACH = 10
"""Before every so many thumbnails `prepare` is called."""


class Thumbnails:
    def __init__(self, connection: Connection, port: int) -> None:
        self._connection, self._request = connection, upload_request(picture(TWO), THUMBNAIL.processing, port)

    def measure(self, count: int, prepare: Callable[[], None] | None = None) -> list[float]:
        """Milliseconds of each."""
        taken = []
        for number in range(count):
            if prepare and number % EACH == 0:
                prepare()
            time.sleep(PAUSE_SECONDS)
            began = time.perf_counter()
            self._connection.wait_for_result(self._connection.upload(self._request))
            taken.append((time.perf_counter() - began) * 1000)
        return taken


def p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]

"""From upload to processed when nothing else is to do, against decoding and encoding the same file in this process.

One picture after the other: the upload, then a request that waits (`Prefer: wait`) and brings the result; the clock runs from the
upload's first byte to the result's last. In between the same file is rendered here, so that both meet the same machine.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median, quantiles

from bench.compare import Rows, Spent, spent
from bench.deployments import Deployment, Place
from bench.parts.scale import Scale
from bench.parts.service import groups_of, running_api, starting_worker
from bench.pictures import TWO, picture
from bench.render import THUMBNAIL, rendered
from bench.report import Result, verdict
from bench.requests import Connection, upload_request
from bench.sampler import Sampler

MARK_MS = 60
PICTURES = 60
WARM_UP = 5
PAUSE_SECONDS = 0.05


def measure(deployment: Deployment, scale: Scale) -> Result:
    upload, whole, inside = [], [], []
    content = picture(TWO).read_bytes()
    with deployment.place() as place, running_api(place) as api, starting_worker(place) as worker:
        worker.wait_until_ready()
        request = upload_request(picture(TWO), THUMBNAIL.processing, api.port)
        with Connection(api.port) as connection:
            for _ in range(WARM_UP + scale.count(PICTURES)):
                time.sleep(PAUSE_SECONDS)
                began = time.perf_counter()
                image = connection.upload(request)
                upload.append(_ms_since(began))
                connection.wait_for_result(image)
                whole.append(_ms_since(began))
                began = time.perf_counter()
                rendered(content, THUMBNAIL)
                inside.append(_ms_since(began))
    return _result(deployment, upload[WARM_UP:], whole[WARM_UP:], inside[WARM_UP:])


@contextmanager
def compared(place: Place, scale: Scale) -> Iterator[Rows]:
    """One side of a comparison: from upload to processed, without what is rendered here in between."""
    with running_api(place) as api, starting_worker(place) as worker:
        worker.wait_until_ready()
        request, count = upload_request(picture(TWO), THUMBNAIL.processing, api.port), scale.count(PICTURES)

        def measured() -> Spent:
            taken = []
            with Sampler(groups_of(place, api=api, worker=worker)) as sampler, Connection(api.port) as connection:
                for _ in range(count):
                    began = time.perf_counter()
                    connection.wait_for_result(connection.upload(request))
                    taken.append(time.perf_counter() - began)
                    time.sleep(PAUSE_SECONDS)
            return spent({name: seconds / count for name, seconds in sampler.cpu().items()}, median(taken))

        measured()
        yield {f"{TWO.name} -> {THUMBNAIL.side} {THUMBNAIL.format}": measured}


def _result(deployment: Deployment, upload: list[float], whole: list[float], inside: list[float]) -> Result:
    extra = median(whole) - median(inside)
    row = [
        f"{TWO.name} -> {THUMBNAIL.side} {THUMBNAIL.format}",
        f"{median(upload):.1f}",
        f"{median(whole):.1f}",
        f"{_p95(whole):.1f}",
        f"{median(inside):.1f}",
        f"{extra:.1f}",
        verdict(extra <= MARK_MS, f"<= {MARK_MS}"),
    ]
    columns = ["picture", "upload p50 ms", "to processed p50 ms", "p95 ms", "decode + encode p50 ms", "extra ms", "mark"]
    notes = [f"{len(whole)} pictures, one after the other; `to processed` begins with the upload and includes it."]
    raw = {"upload_ms": upload, "whole_ms": whole, "inside_ms": inside}
    return Result("latency", "From upload to processed when idle", deployment.name, columns, [row], notes, raw, columns[:-1])


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000

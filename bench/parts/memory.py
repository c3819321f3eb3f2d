"""Resident memory: of API, worker and decoders before, at most during, and after a thousand mixed pictures; and of the API during
uploads of 100 MB, which must not take more of it than one of 25 MB (the limit is raised for the measure).
"""

import time
from pathlib import Path

from bench import load
from bench.deployments import Deployment, Place
from bench.parts.scale import AT_ONCE, Scale
from bench.parts.service import groups_of, running_api, starting_worker, wait_until_finished
from bench.pictures import BIG_FILE_BYTES, SMALL, TWELVE, TWO, big_file, picture
from bench.programs import Running, run
from bench.render import THUMBNAIL, WEB
from bench.report import Result, verdict
from bench.sampler import Sampler

PICTURES = 1000
MIXED_SECONDS = 170.0
SETTLE_SECONDS = 3.0
FLAT_MEGABYTES = 16
QUICKLY = 0.02
MORE = {"MAX_UPLOAD_BYTES": str(2 * 10**8)}
PROCESSES = ("api", "worker", "decoders")
MIXED = [(SMALL, THUMBNAIL), (TWO, THUMBNAIL), (SMALL, WEB), (TWO, THUMBNAIL), (TWELVE, THUMBNAIL), (SMALL, THUMBNAIL)]


def measure(deployment: Deployment, scale: Scale) -> Result:
    with deployment.place(MORE) as place:
        with running_api(place) as api, starting_worker(place) as worker:
            worker.wait_until_ready()
            rows, raw = _mixed(scale, api, worker, place)
        with running_api(place) as api:
            big_rows, big_raw = _big(api, place)
    notes = [
        "RSS in MB (10^6); `decoders` is the sum of the children's, with what they share counted in each.",
        f"flat: the API's peak during 100 MB is at most {FLAT_MEGABYTES} MB over that during 25 MB; two at once, each of which "
        "holds parts of its own, make it grow by at most twice what one does, and as much more.",
    ]
    columns = ["what", "before", "peak", "after", "growth", "mark"]
    return Result(
        "memory", "Resident memory", deployment.name, columns, [*rows, *big_rows], notes, {**raw, **big_raw}, columns[:4]
    )


def _mixed(scale: Scale, api: Running, worker: Running, place: Place) -> tuple[list[list[str]], dict[str, list[int]]]:
    count = scale.count(PICTURES)
    uploads = [load.Upload(picture(size), rendering.processing) for size, rendering in MIXED]
    time.sleep(SETTLE_SECONDS)
    with Sampler(groups_of(place, api=api, worker=worker)) as sampler:
        outcome = run("bench.load", load.Order(load.Api(api.port), uploads, count, AT_ONCE), load.Outcome)
        wait_until_finished(place, outcome.images, MIXED_SECONDS)
        time.sleep(SETTLE_SECONDS)
    rows, raw = [], {}
    for name in PROCESSES:
        before, peak, after = sampler.samples[0].rss[name], sampler.peak(name), sampler.last(name)
        rows.append([f"{name}, {count:,} pictures", *map(_mb, (before, peak, after, after - before)), "-"])
        raw[name] = [before, peak, after]
    return rows, raw


def _big(api: Running, place: Place) -> tuple[list[list[str]], dict[str, list[int]]]:
    """A first upload is not counted: it makes what every later one uses again."""
    small, large = (big_file(length) for length in BIG_FILE_BYTES)
    _upload(picture(TWO), AT_ONCE, api, place)
    measured = {
        "api, 25 MB": _upload(small, 1, api, place),
        "api, 100 MB": _upload(large, 1, api, place),
        "api, 2 x 100 MB": _upload(large, 2, api, place),
    }
    (before, low, _), (_, one, _), (_, two, _) = measured.values()
    flat = FLAT_MEGABYTES * 10**6
    marks = ["-", verdict(one - low <= flat, "flat"), verdict(two - before <= 2 * (one - before) + flat, "flat")]
    rows = [
        [name, *map(_mb, (rss[0], rss[1], rss[2], rss[1] - before)), mark]
        for (name, rss), mark in zip(measured.items(), marks, strict=True)
    ]
    return rows, {name: list(rss) for name, rss in measured.items()}


def _upload(path: Path, at_once: int, api: Running, place: Place) -> tuple[int, int, int]:
    """The API's memory before, at most during, and after `at_once` uploads side by side."""
    with Sampler(groups_of(place, api=api)[:1], interval=QUICKLY) as sampler:
        run(
            "bench.load",
            load.Order(load.Api(api.port), [load.Upload(path, THUMBNAIL.processing)], at_once, at_once),
            load.Outcome,
        )
    return sampler.samples[0].rss["api"], sampler.peak("api"), sampler.last("api")


def _mb(value: float) -> str:
    return f"{value / 1e6:,.0f}"

"""Reading: thumbnails, originals, what has not changed (304) and statuses, against the same objects directly from the store.

A handful of pictures, each asked for in turn, so many requests at once, and no worker at work. Rounds of the API and of the store
alternate; the clients are the same program, whose own CPU time is given.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median, quantiles
from uuid import UUID

import psycopg
from msgspec import Struct

from bench import fetch, load
from bench.compare import Rows, Spent, spent
from bench.deployments import Deployment, Place
from bench.parts.scale import AT_ONCE, Scale
from bench.parts.service import groups_of, running_api, starting_worker, wait_until_finished
from bench.pictures import TWO, picture
from bench.programs import Running, run
from bench.render import Rendering
from bench.report import Result, by_name, number
from bench.requests import Connection, get_request
from bench.sampler import Sampler
from internal.domain.keys import original_key

PICTURES = 16
THUMBNAIL = Rendering(400, "jpeg")
"""Of 10 to 20 kB."""
COUNTS = {"thumbnail": 4000, "original": 1500, "thumbnail, unchanged": 6000, "status": 4000}
PROCESSED_SECONDS = 60.0
WARM_UP = 200
ROW_SECONDS = 20.0
RESULT_KEYS = b"SELECT result_key FROM renditions WHERE image_id = ANY(%s)"
COLUMNS = ["what", "bytes", "requests/s", "p50 ms", "p95 ms", "direct gets/s", "ratio", "CPU ms/request", "CPU ms/direct get"]
SHORT = ["what", "bytes", "requests/s", "p50 ms", "p95 ms", "direct gets/s", "CPU ms/request"]


class Case(Struct, frozen=True):
    """What is asked for, and the same without the service; None where there is no such thing."""

    name: str
    requests: fetch.Requests
    size: int | None
    direct: fetch.Objects | None = None


class Round(Struct, frozen=True):
    """Requests a second, their seconds, and CPU seconds of one by who used them."""

    rate: float
    taken: list[float]
    cpu: dict[str, float]


def measure(deployment: Deployment, scale: Scale) -> Result:
    rows, raw = [], {}
    with deployment.place() as place, running_api(place) as api:
        for case in _cases(_processed(api, place), api, place):
            rounds: dict[str, list[Round]] = {"api": [], "direct": []}
            targets = {"api": case.requests, "direct": case.direct}
            _round(case.requests, case.size, WARM_UP, api, place)
            for _ in scale.turns(ROW_SECONDS):
                for way, target in targets.items():
                    if target:
                        rounds[way].append(_round(target, case.size, scale.count(COUNTS[case.name]), api, place))
            rows.append(_row(case, **rounds))
            raw[case.name] = rounds
    notes = [
        f"{AT_ONCE} at once, {PICTURES} pictures of {TWO.name} and their thumbnails of {THUMBNAIL.side} px in turn. `client` is "
        "the measuring program itself. A 304 and a status cost the store nothing."
    ]
    return Result("reads", "Downloads and statuses", deployment.name, COLUMNS, rows, notes, raw, SHORT)


@contextmanager
def compared(place: Place, scale: Scale) -> Iterator[Rows]:
    """One side of a comparison: the API of this place and its own pictures."""
    with running_api(place) as api:

        def measured(case: Case) -> Spent:
            one = _round(case.requests, case.size, scale.count(COUNTS[case.name]), api, place)
            return spent(one.cpu, 1 / one.rate)

        cases = _cases(_processed(api, place), api, place)
        for case in cases:
            _round(case.requests, case.size, WARM_UP, api, place)
        yield {case.name: partial(measured, case) for case in cases}


def _processed(api: Running, place: Place) -> list[UUID]:
    """Some pictures and their thumbnails."""
    upload = load.Upload(picture(TWO), THUMBNAIL.processing)
    outcome = run("bench.load", load.Order(load.Api(api.port), [upload], PICTURES, AT_ONCE), load.Outcome)
    with starting_worker(place):
        wait_until_finished(place, outcome.images, PROCESSED_SECONDS)
    return outcome.images


def _cases(images: list[UUID], api: Running, place: Place) -> list[Case]:
    paths = {
        "thumbnail": [f"/images/{image}" for image in images],
        "original": [f"/images/{image}/original" for image in images],
        "status": [f"/images/{image}/status" for image in images],
    }
    asked = {name: [get_request(path, api.port) for path in paths[name]] for name in paths}
    with Connection(api.port) as connection:
        sizes = {name: len(connection.ask(requests[0], 200).body) for name, requests in asked.items()}
        etag = connection.ask(asked["thumbnail"][0], 200).header("etag")
    unchanged = [get_request(path, api.port, f"If-None-Match: {etag}") for path in paths["thumbnail"]]
    with psycopg.connect(place.conninfo) as database:
        results = [str(key) for (key,) in database.execute(RESULT_KEYS, [images])]
    originals = [original_key(image) for image in images]
    found = {name: fetch.Requests(api.port, requests, 200) for name, requests in asked.items()}
    return [
        Case("thumbnail", found["thumbnail"], sizes["thumbnail"], fetch.Objects(place.store, results)),
        Case("original", found["original"], sizes["original"], fetch.Objects(place.store, originals)),
        Case("thumbnail, unchanged", fetch.Requests(api.port, unchanged, 304), 0),
        Case("status", found["status"], None),
    ]


def _round(target: fetch.Requests | fetch.Objects, size: int | None, count: int, api: Running, place: Place) -> Round:
    through_api = isinstance(target, fetch.Requests)
    with Sampler(groups_of(place, api=api if through_api else None)) as sampler:
        outcome = run("bench.fetch", fetch.Order(target, size, count, AT_ONCE), fetch.Outcome)
    cpu = {**sampler.cpu(), "client": outcome.cpu_seconds}
    return Round(count / outcome.seconds, outcome.taken, {name: seconds / count for name, seconds in cpu.items()})


def _row(case: Case, api: list[Round], direct: list[Round]) -> list[str]:
    return [
        case.name,
        "-" if case.size is None else f"{case.size:,}",
        number([one.rate for one in api], 0),
        number([median(one.taken) * 1000 for one in api]),
        number([quantiles(one.taken, n=20)[-1] * 1000 for one in api]),
        number([one.rate for one in direct], 0),
        f"{median(one.rate for one in api) / median(one.rate for one in direct):.2f}" if direct else "-",
        by_name([one.cpu for one in api], digits=2),
        by_name([one.cpu for one in direct], digits=2),
    ]

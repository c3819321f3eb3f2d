"""Uploads through the API, against the same bytes put directly into the same object store, as many at once.

No worker runs. Each round is first the API's, then the store's; the clients are the same program, whose own CPU time is given, so
that one can see whether it was what held things up.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any

from msgspec import Struct

from bench import load
from bench.compare import Rows, Spent, spent
from bench.deployments import Deployment, Place
from bench.parts.scale import AT_ONCE, Scale
from bench.parts.service import groups_of, running_api
from bench.pictures import SMALL, TWELVE, TWO, Size, picture
from bench.programs import Running, run
from bench.render import THUMBNAIL
from bench.report import Result, by_name, number, verdict
from bench.sampler import Sampler

MARK = 0.6
COUNTS = {SMALL.name: 500, TWO.name: 250, TWELVE.name: 80}
WARM_UP = 2 * AT_ONCE
ROW_SECONDS = 20.0
SHORT = ["file", "uploads/s", "direct puts/s", "ratio"]


class Round(Struct, frozen=True):
    """Uploads and megabytes (10^6) a second, and CPU seconds of one upload by who used them."""

    rate: float
    megabytes: float
    cpu: dict[str, float]


def measure(deployment: Deployment, scale: Scale) -> Result:
    rows, raw = [], {}
    with deployment.place() as place, running_api(place) as api:
        for size in (SMALL, TWO, TWELVE):
            targets = (load.Api(api.port), place.store)
            rounds: tuple[list[Round], list[Round]] = ([], [])
            for target in targets:
                _round(target, size, WARM_UP, api, place)
            for _ in scale.turns(ROW_SECONDS):
                for target, kept in zip(targets, rounds, strict=True):
                    kept.append(_round(target, size, scale.count(COUNTS[size.name]), api, place))
            rows.append(_row(size, *rounds))
            raw[size.name] = {"api": rounds[0], "direct": rounds[1]}
    columns = ["file", "uploads/s", "MB/s", "direct puts/s", "MB/s", "ratio", "mark", "CPU ms/upload", "CPU ms/direct put"]
    notes = [f"{AT_ONCE} at once; `client` is the measuring program itself."]
    return Result("upload", "Uploads through the API", deployment.name, columns, rows, notes, raw, SHORT)


@contextmanager
def compared(place: Place, scale: Scale) -> Iterator[Rows]:
    """One side of a comparison: uploads through the API of this place."""
    with running_api(place) as api:

        def measured(size: Size) -> Spent:
            one = _round(load.Api(api.port), size, scale.count(COUNTS[size.name]), api, place)
            return spent(one.cpu, 1 / one.rate)

        for size in (SMALL, TWO, TWELVE):
            _round(load.Api(api.port), size, WARM_UP, api, place)
        yield {size.name: partial(measured, size) for size in (SMALL, TWO, TWELVE)}


def _round(target: Any, size: Size, count: int, api: Running, place: Place) -> Round:
    order = load.Order(target, [load.Upload(picture(size), THUMBNAIL.processing)], count, AT_ONCE)
    through_api = isinstance(target, load.Api)
    with Sampler(groups_of(place, api=api if through_api else None)) as sampler:
        outcome = run("bench.load", order, load.Outcome)
    cpu = {**sampler.cpu(), "client": outcome.cpu_seconds}
    return Round(
        rate=count / outcome.seconds,
        megabytes=outcome.bytes_sent / outcome.seconds / 1e6,
        cpu={name: seconds / count for name, seconds in cpu.items()},
    )


def _row(size: Size, through: list[Round], direct: list[Round]) -> list[str]:
    ratio = median(one.rate for one in through) / median(one.rate for one in direct)
    return [
        f"{size.name} ({picture(size).stat().st_size / 1e6:.2f} MB)",
        number([one.rate for one in through]),
        number([one.megabytes for one in through], 0),
        number([one.rate for one in direct]),
        number([one.megabytes for one in direct], 0),
        f"{ratio:.2f}",
        verdict(ratio >= MARK, f">= {MARK}"),
        by_name([one.cpu for one in through], digits=2),
        by_name([one.cpu for one in direct], digits=2),
    ]

"""What a picture costs whom: CPU time of every process that has to do with it, from its upload to its thumbnail.

API and worker run, uploads come a few at a time, and the sum is taken when the last picture is processed. What the same processes
use while there is nothing to do is given beside it, since it is in every sum.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median

from msgspec import Struct

from bench import load
from bench.compare import Rows, Spent, spent
from bench.deployments import Deployment, Place
from bench.parts.scale import AT_ONCE, Scale
from bench.parts.service import groups_of, running_api, starting_worker, wait_until_finished
from bench.pictures import TWELVE, TWO, Size, picture
from bench.programs import Running, run
from bench.render import THUMBNAIL
from bench.report import Result, number
from bench.sampler import Sampler

COUNTS = {TWO.name: 300, TWELVE.name: 100}
WARM_UP = 2 * AT_ONCE
WITHIN_SECONDS = 120.0
ROW_SECONDS = 30.0
IDLE_SECONDS = 5.0
WHO = ("api", "worker", "decoders", "postgres", "s3", "kafka")
COLUMNS = ["what", "all, CPU ms", *WHO, "pictures/s"]


class Round(Struct, frozen=True):
    """CPU seconds of one picture, or of one second without any, by who used them; pictures a second."""

    cpu: dict[str, float]
    rate: float = 0.0


def measure(deployment: Deployment, scale: Scale) -> Result:
    raw: dict[str, list[Round]] = {}
    with deployment.place() as place, running_api(place) as api, starting_worker(place) as worker:
        worker.wait_until_ready()
        for size in (TWO, TWELVE):
            _round(size, WARM_UP, api, worker, place)
            raw[f"{size.name} -> {THUMBNAIL.side} {THUMBNAIL.format}"] = [
                _round(size, scale.count(COUNTS[size.name]), api, worker, place) for _ in scale.turns(ROW_SECONDS)
            ]
        raw["nothing, for a second"] = [_idle(api, worker, place)]
    rows = [_row(name, rounds) for name, rounds in raw.items()]
    notes = [
        f"{AT_ONCE} uploads in flight. `worker`: its own process, `decoders`: the children that it gives the pictures to; "
        "servers with all of their processes.",
    ]
    return Result("cpu", "CPU time of a picture, upload to thumbnail", deployment.name, COLUMNS, rows, notes, raw)


@contextmanager
def compared(place: Place, scale: Scale) -> Iterator[Rows]:
    """One side of a comparison: API and worker of this place."""
    with running_api(place) as api, starting_worker(place) as worker:
        worker.wait_until_ready()

        def measured(size: Size) -> Spent:
            one = _round(size, scale.count(COUNTS[size.name]), api, worker, place)
            return spent(one.cpu, 1 / one.rate)

        for size in (TWO, TWELVE):
            _round(size, WARM_UP, api, worker, place)
        yield {f"{size.name} -> {THUMBNAIL.side} {THUMBNAIL.format}": partial(measured, size) for size in (TWO, TWELVE)}


def _round(size: Size, count: int, api: Running, worker: Running, place: Place) -> Round:
    order = load.Order(load.Api(api.port), [load.Upload(picture(size), THUMBNAIL.processing)], count, AT_ONCE)
    with Sampler(groups_of(place, api=api, worker=worker)) as sampler:
        outcome = run("bench.load", order, load.Outcome)
        finished = wait_until_finished(place, outcome.images, WITHIN_SECONDS)
    spent = sampler.cpu_between(outcome.began, finished[-1])
    return Round({name: seconds / count for name, seconds in spent.items()}, count / (finished[-1] - outcome.began))


def _idle(api: Running, worker: Running, place: Place) -> Round:
    with Sampler(groups_of(place, api=api, worker=worker)) as sampler:
        time.sleep(IDLE_SECONDS)
    seconds = sampler.samples[-1].time - sampler.samples[0].time
    return Round({name: used / seconds for name, used in sampler.cpu().items()})


def _row(name: str, rounds: list[Round]) -> list[str]:
    return [
        name,
        f"{median(sum(one.cpu.values()) for one in rounds) * 1000:.1f}",
        *(number([one.cpu[who] * 1000 for one in rounds if who in one.cpu]) for who in WHO),
        number([one.rate for one in rounds]) if rounds[0].rate else "-",
    ]
